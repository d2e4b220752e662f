"""The store `gs://bucket/prefix`, over the session of gcloud-aio-storage."""
