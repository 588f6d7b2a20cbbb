"""Programs that ride with one service, in its pod."""
