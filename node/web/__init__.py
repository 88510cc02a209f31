"""What a browser, a load balancer or Prometheus may ask a node."""
