"""MongoDB: mongod alone or in a replica set, and mongos."""
