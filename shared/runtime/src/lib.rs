//! Configuration, AWS clients, tokens, passwords, telemetry.
