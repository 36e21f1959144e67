package sandbox

import (
	"errors"
	"fmt"
	"slices"
)

// What the sandbox finds fault with. Each entry of Problems wraps one of these.
var (
	// ErrSchema: a document or its variables do not fit the schema, or ask for an unknown operation.
	ErrSchema = errors.New("document does not fit the schema")
	// ErrUnknownWork: a call or a message names a work that never existed.
	ErrUnknownWork = errors.New("unknown work")
	// ErrExpectations: expectations below one were added.
	ErrExpectations = errors.New("expectations must be positive")
	// ErrLateExpectations: expectations were added after toProcessed, when the
	// work may have completed without them.
	ErrLateExpectations = errors.New("expectations added after toProcessed")
	// ErrOverProcessed: more objects came for a work than were expected.
	ErrOverProcessed = errors.New("more objects processed than expected")
	// ErrOrder: toProcessed came before toReceived.
	ErrOrder = errors.New("calls in the wrong order")
	// ErrUnknownExecution: a playbook step was answered that nobody asked for.
	ErrUnknownExecution = errors.New("unknown playbook execution")
	// ErrDuplicateStep: a playbook step was answered again although the connector
	// had been told that it was; the rest of the playbook runs twice.
	ErrDuplicateStep = errors.New("playbook step answered twice")
	// ErrStepIDs: a playbook answer does not echo the ids of its message.
	ErrStepIDs = errors.New("playbook answer with wrong ids")
	// ErrStepBundle: a playbook answer is no bundle, or lacks objects that it was sent.
	ErrStepBundle = errors.New("playbook answer with wrong bundle")
	// ErrMessage: a message on the push queue is not what the worker can read.
	ErrMessage = errors.New("malformed message on the push queue")
	// ErrDuplicateMessage: a message was published again, byte for byte.
	ErrDuplicateMessage = errors.New("message published twice")
	// ErrReference: an object refers to something that is neither known nor came in time.
	ErrReference = errors.New("missing reference")
	// ErrUnregistered: the connector deleted its registration, and its works and queues with it.
	ErrUnregistered = errors.New("connector deleted itself")
)

// problemLocked records a protocol violation.
func (p *Platform) problemLocked(kind error, format string, args ...any) {
	p.problems = append(p.problems, fmt.Errorf("%w: %s", kind, fmt.Sprintf(format, args...)))
}

// Problems returns the protocol violations seen so far, oldest first. Each wraps
// one of the package's Err… values; leave out those that a test provokes with Except.
func (p *Platform) Problems() []error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.problems)
}

// Except returns the problems that wrap none of the kinds.
func Except(problems []error, kinds ...error) []error {
	return slices.DeleteFunc(slices.Clone(problems), func(err error) bool {
		return slices.ContainsFunc(kinds, func(k error) bool { return errors.Is(err, k) })
	})
}
