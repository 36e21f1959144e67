package proofpoint

import "log/slog"

// Secret is a string that prints as "[redacted]".
type Secret string

const redacted = "[redacted]"

// String hides the secret from fmt.
func (Secret) String() string { return redacted }

// GoString hides the secret from fmt's %#v.
func (Secret) GoString() string { return redacted }

// MarshalText hides the secret from encoders.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue hides the secret from log/slog.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
