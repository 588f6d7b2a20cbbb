"""Google Cloud Logging (Stackdriver) over REST."""
