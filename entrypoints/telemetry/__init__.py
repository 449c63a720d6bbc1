"""What is told about the running service: metrics and logs."""
