package opencti

import (
	"context"
	"errors"
	"io"
	"sync"
)

// heldBody is a request's body whose last byte is withheld until release has
// returned nil. Without it the body is no JSON, so that nothing at the other end
// can act on it: what release writes down before is true of a request that left
// whole, and of none that was broken off earlier, however it broke off.
//
// It cannot be rewound, so that net/http does not send it again by itself.
type heldBody struct {
	rest    []byte
	release func() error

	mu     sync.Mutex
	tried  bool // release has been called, and
	err    error
	gaveUp bool // nobody waits for the answer: it is not to be released any more
}

var errGaveUp = errors.New("the request was given up")

// Read implements io.Reader.
func (b *heldBody) Read(p []byte) (n int, err error) {
	switch {
	case len(b.rest) == 0:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	case len(b.rest) == 1:
		if err := b.letGo(); err != nil {
			return 0, err
		}
		n = copy(p, b.rest)
	default:
		n = copy(p, b.rest[:len(b.rest)-1])
	}
	b.rest = b.rest[n:]
	return n, nil
}

func (b *heldBody) letGo() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gaveUp {
		return errGaveUp
	}
	if !b.tried {
		b.tried, b.err = true, b.release()
	}
	return b.err
}

// giveUp withholds the last byte for good if it has not been released, and says
// whether it has. It waits for a release under way.
func (b *heldBody) giveUp() (released bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gaveUp = true
	return b.tried && b.err == nil, b.err
}

// lostMost is how often an answer to a playbook step is given again because the
// connection was lost after all of it had left.
const lostMost = 2

// deliverOnce performs an operation that must not be repeated. Once all of the
// request but its last byte is under way the journal says, durably, that it
// leaves; a note without a sync says that it left, and then it does. What a kill
// leaves between the two did not leave; the fate of what it leaves between note
// and last byte is open, and counts as done. So does everything that the journal
// speaks of after the machine went down, and what the platform has and does not
// answer. Only what it answers otherwise, or breaks off, is taken back.
func (t *task) deliverOnce(ctx context.Context, op operation, variables map[string]any) error {
	lost := 0
	return t.c.retry(ctx, func() error {
		r := t.record
		r.Delivered, r.Try, r.Boot = true, r.Try+1, t.c.journal.left.boot
		released, err := t.c.onceHeld(ctx, op, variables, func() error {
			if err := t.c.journal.put(t.key, r); err != nil {
				return err
			}
			if err := t.c.journal.left.note(t.key, r.Try); err != nil {
				return err
			}
			if t.leave != nil {
				t.leave()
			}
			return nil
		})
		if !released {
			return err
		}
		t.record = r
		if err == nil || !transient(err) {
			return err
		}
		var down *unavailableError
		if errors.As(err, &down) && op.name == opStep.name {
			if !down.answered {
				lost++
			}
			if down.late || lost > lostMost {
				t.c.log.Error("OpenCTI has the answer to a playbook step and does not say what became of it; it is not given again, since each runs the rest of the playbook",
					"error", err, "playbook", t.message.Internal.Playbook.PlaybookID, "execution", t.message.Internal.Playbook.ExecutionID)
				return nil
			}
		}
		t.record.Delivered = false
		return errors.Join(err, t.c.journal.put(t.key, t.record))
	})
}
