package opencti

import (
	"context"
	"errors"
	"sync"
)

// reading is one question about an entity, and in the same breath who asked and
// what the work expects.
type reading struct {
	form
	entity, workID, playbookID string

	answer readAnswer
	err    error
	// ready is closed when the answer is there, alone when there will be no
	// company and the reading has to be done by whoever wants it.
	ready, alone chan struct{}
}

// form is what two readings must have in common to be one document.
type form struct {
	work, playbook bool
	draft          string
}

// readAnswer is what the platform says to a reading. A field that failed is nil.
type readAnswer struct {
	StixCoreObject *readEntity `json:"stixCoreObject"`
	whoAnswer
}

// pairAnswer is the answer to two.
type pairAnswer struct {
	readAnswer
	Entity2   *readEntity     `json:"stixCoreObject2"`
	Work2     *workAnswer     `json:"work2"`
	Playbook2 *playbookAnswer `json:"playbook2"`
}

// variables of a reading; those of the second in a document end in 2.
func (q *reading) variables(into map[string]any, suffix string) map[string]any {
	into["id"+suffix] = q.entity
	if q.work {
		into[fieldWork+suffix] = q.workID
	}
	if q.playbook {
		into[fieldPlaybook+suffix] = q.playbookID
	}
	return into
}

// reader reads entities for many messages at a time. The platform lets a
// document ask for the same field twice, and no more; so when many messages are
// read anyway, two of them share a request. One among few waits for nobody. What
// a pair was refused is asked again by each of the two: only then is it known
// whom the refusal is about. Safe for concurrent use.
type reader struct {
	ask func(ctx context.Context, op operation, variables map[string]any, draft string, out any) error

	mu sync.Mutex
	// under is the number of requests under way; half is the reading that waits
	// for another, nil when none does.
	under int
	half  *reading
	// single: the platform took no pair.
	single bool
}

// companyFrom is the number of requests under way from which a reading waits for
// another, or for one of them to end.
const companyFrom = 4

var errBrokeOff = errors.New("the request broke off")

// read answers one question.
func (r *reader) read(ctx context.Context, q *reading) (readAnswer, error) {
	r.mu.Lock()
	other := r.half
	switch {
	case other != nil && other.form == q.form:
		r.half = nil
		r.under++
		r.mu.Unlock()
		r.readBoth(ctx, other, q)
	case other == nil && !r.single && r.under >= companyFrom:
		q.ready, q.alone = make(chan struct{}), make(chan struct{})
		r.half = q
		r.mu.Unlock()
		if !r.accompanied(ctx, q) {
			return r.readAlone(ctx, q)
		}
	default:
		r.under++
		r.mu.Unlock()
		return r.readAlone(ctx, q)
	}
	var refusal *APIError
	if !errors.As(q.err, &refusal) {
		return q.answer, q.err
	}
	r.mu.Lock()
	r.under++
	r.mu.Unlock()
	a, err := r.readAlone(ctx, q)
	if err == nil && refusal.Field == "" {
		r.mu.Lock()
		r.single = true // it was the document, not what one of us asked for
		r.mu.Unlock()
	}
	return a, err
}

// accompanied waits until another has read for q too, and says no when q is to
// be read alone: it is then counted as under way.
func (r *reader) accompanied(ctx context.Context, q *reading) bool {
	select {
	case <-q.ready:
		return true
	case <-q.alone:
		return false
	case <-ctx.Done():
	}
	r.mu.Lock()
	if r.half == q {
		r.half = nil
		r.under++
		r.mu.Unlock()
		return false
	}
	r.mu.Unlock()
	select { // the request does not end with our ctx, but it ends
	case <-q.ready:
		return true
	case <-q.alone:
		return false
	}
}

// readAlone asks for q alone. It has been counted as under way.
func (r *reader) readAlone(ctx context.Context, q *reading) (a readAnswer, err error) {
	defer r.ended()
	err = r.ask(ctx, opRead(q.work, q.playbook), q.variables(map[string]any{}, ""), q.draft, &a)
	return a, err
}

// readBoth asks for a and b in one request, which has been counted.
func (r *reader) readBoth(ctx context.Context, a, b *reading) {
	op := opReadPair(a.work, a.playbook)
	a.err = &unavailableError{operation: op.name, err: errBrokeOff} // should ask panic
	defer close(a.ready)
	defer r.ended()
	var both pairAnswer
	err := r.ask(ctx, op, b.variables(a.variables(map[string]any{}, ""), "2"), a.draft, &both)
	a.answer, a.err = both.readAnswer, err
	b.answer, b.err = readAnswer{both.Entity2, whoAnswer{both.Work2, both.Playbook2}}, err
}

// ended counts a request as ended, and lets whoever waits for company go.
func (r *reader) ended() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.under--
	if q := r.half; q != nil {
		r.half = nil
		r.under++
		close(q.alone)
	}
}
