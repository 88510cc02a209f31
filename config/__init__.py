"""What may be set: one TOML file, the environment and systemd credentials, read once into frozen settings."""
