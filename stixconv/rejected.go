package stixconv

import "fmt"

// RejectedError is a fact that cannot be expressed. It costs that fact only.
type RejectedError struct {
	// What kind of fact: a STIX type, "hash", "reference", "relationship".
	What string
	// Value as the source gave it, shortened.
	Value string
	// Reason in a few words, without the value.
	Reason string
}

func (e *RejectedError) Error() string { return fmt.Sprintf("%s %q: %s", e.What, e.Value, e.Reason) }

func reject(what, value, reason string) error {
	if len(value) > 80 {
		value = value[:80] + "…"
	}
	return &RejectedError{What: what, Value: value, Reason: reason}
}
