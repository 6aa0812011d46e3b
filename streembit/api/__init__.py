"""The local API: HTTP on a Unix socket in the home, described by an OpenAPI document."""
