package enrich

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/quota"
	"github.com/enrichgate/enrichgate/stixconv"
)

// A provider that says that its quota is used up is not asked for each value
// what it has just said; one call finds out when the quota opens.
func TestAUsedUpQuotaIsLeftAlone(t *testing.T) {
	for name, tt := range map[string]struct {
		after time.Duration // as the provider says; 0: it does not
		pause time.Duration
	}{"it says when": {time.Hour, time.Hour}, "it does not": {0, exhaustedPause}} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, "1000/day", nil)
			used := true
			b.source.answer = func(l Lookup) Answer {
				if !used {
					return Answer{Class: Found, Status: 200, Sent: true, Body: []byte("known")}
				}
				a := Answer{Class: QuotaExhausted, Status: 429, Sent: true, Free: true, Err: errors.New("the limit is exceeded")}
				if tt.after > 0 {
					a.RetryAfter = b.now().Add(tt.after)
				}
				return a
			}
			for i := range 5 {
				p := b.enrich(t, request(t, fmt.Sprintf("198.51.100.%d", i), quota.Manual))
				if p.Class != QuotaExhausted || p.Entry != nil || i > 0 && !p.RetryAfter.Equal(b.now().Add(tt.pause)) {
					t.Errorf("%d: %s, %v, %v", i, p.Class, p.RetryAfter, p.Err)
				}
			}
			if n := b.source.calls(); n != 1 {
				t.Errorf("%d calls", n)
			}
			used = false
			b.tick(tt.pause)
			if p := b.enrich(t, request(t, "198.51.100.9", quota.Manual)); p.Class != Found || b.source.calls() != 2 {
				t.Errorf("%s after %d calls", p.Class, b.source.calls())
			}
		})
	}
}

// What would be answered the same is not asked twice.
func TestAFinalFailureIsNotRepeated(t *testing.T) {
	b := newBench(t, "1000/day", nil)
	b.source.answer = func(Lookup) Answer {
		return Answer{Class: ServerError, Status: 400, Sent: true, Final: true, Err: errors.New("no")}
	}
	p := b.enrich(t, request(t, "198.51.100.1", quota.Manual))
	if p.Class != ServerError || b.source.calls() != 1 || b.books().Spent != 1 {
		t.Errorf("%s after %d calls, %d spent", p.Class, b.source.calls(), b.books().Spent)
	}
}

// illegible is a source whose mapping can make nothing of an answer.
type illegible struct{ *fake }

func (illegible) Facts(Lookup, []byte, time.Time) (stixconv.Facts, []error) {
	return stixconv.Facts{}, []error{errors.New("jq: expected an object but got: array")}
}

// An answer that nobody can read is a failure, and not "nothing new"; it is kept
// all the same, since it was paid for.
func TestAnAnswerThatCannotBeRead(t *testing.T) {
	b := newBench(t, "1000/day", func(c *Config) { c.Source = illegible{c.Source.(*fake)} })
	for range 2 {
		res, err := b.Enrich(t.Context(), request(t, "198.51.100.1", quota.Manual))
		if err != nil {
			t.Fatal(err)
		}
		if fate := fateOf(res, nil); fate != Failed || !strings.Contains(res.Summary, "gave no answer that can be read") || !strings.Contains(res.Summary, "expected an object") {
			t.Errorf("%s: %s", fate, res.Summary)
		}
	}
	if b.source.calls() != 1 {
		t.Errorf("%d calls", b.source.calls())
	}
}

// Who does not wait for an answer is told so, and not that the provider failed;
// the answer is kept all the same.
func TestWhoeverAskedLeft(t *testing.T) {
	b := newBench(t, "1000/day", nil)
	called, gate := make(chan struct{}), make(chan struct{})
	b.source.answer = func(Lookup) Answer {
		close(called)
		<-gate
		return Answer{Class: Found, Status: 200, Sent: true, Body: []byte("known")}
	}
	ctx, leave := context.WithCancel(t.Context())
	go func() { <-called; leave() }()
	r := request(t, "198.51.100.1", quota.Manual)
	res, err := b.Enrich(ctx, r)
	if err != nil || len(res.Failed()) != 1 || res.Parts[0].Err.Error() != "whoever asked did not wait for the answer" {
		t.Errorf("%v, %+v", err, res)
	}
	close(gate)
	b.source.answer = nil // it would panic
	if res, err = b.Enrich(t.Context(), r); err != nil || len(res.Failed()) != 0 || b.source.calls() != 1 {
		t.Errorf("%v, %+v after %d calls", err, res, b.source.calls())
	}
}
