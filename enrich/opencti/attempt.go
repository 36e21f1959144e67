package opencti

import (
	"errors"

	"github.com/enrichgate/enrichgate/enrich"
)

// countAttempt counts that our work on the message may have been broken off,
// and says when that happened too often. What is given back because a platform
// or a broker is away is not counted (notByUs): that is nobody's fault.
func (t *task) countAttempt(in delivery) (problem, err error) {
	if in.times >= maxDeliveries {
		return &enrich.InputError{Reason: "given up: the broker would throw the message away if it came back again"}, nil
	}
	if t.key == "" {
		return nil, nil
	}
	t.record.Attempts++
	if err := t.c.journal.put(t.key, t.record); err != nil {
		return nil, err
	}
	if t.record.Attempts > maxAttempts {
		return &enrich.InputError{Reason: "given up: the message came back too often without coming to an end"}, nil
	}
	return nil, nil
}

// notByUs takes back what countAttempt counted, and returns err.
func (t *task) notByUs(err error) error {
	if t.record.Attempts == 0 || t.key == "" {
		return err
	}
	t.record.Attempts--
	return errors.Join(err, t.c.journal.put(t.key, t.record))
}
