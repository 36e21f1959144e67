package quota

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// linearOp is one call of a history: a reservation, or the settlement of one.
type linearOp struct {
	settle  bool
	id      uint64
	outcome Outcome
	units   int64
	trigger Trigger
}

// linearState is what a ledger with one limit is to those who call it.
type linearState struct {
	used int64
	open string // id:units, sorted
}

func (s linearState) pending() (n int64) {
	for part := range strings.FieldsSeq(s.open) {
		var id uint64
		var units int64
		_, _ = fmt.Sscanf(part, "%d:%d", &id, &units)
		n += units
	}
	return n
}

func linearModel(limit int64, floors map[Trigger]float64) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return linearState{} },
		Step: func(state, input, output any) (bool, any) {
			s, op, out := state.(linearState), input.(linearOp), output.(Decision)
			open := strings.Fields(s.open)
			if op.settle {
				entry := fmt.Sprintf("%d:%d", op.id, op.units)
				i := slices.Index(open, entry)
				if i < 0 {
					return false, s
				}
				if op.outcome != Void {
					s.used += op.units
				}
				s.open = strings.Join(slices.Delete(open, i, i+1), " ")
				return true, s
			}
			left := limit - s.used - s.pending() - op.units
			fits := left >= int64(float64(limit)*floors[op.trigger])
			if !out.Allowed || !fits {
				return out.Allowed == fits, s
			}
			if out.Remaining != left {
				return false, s
			}
			open = append(open, fmt.Sprintf("%d:%d", out.ID, op.units))
			slices.Sort(open)
			s.open = strings.Join(open, " ")
			return true, s
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v → %+v", input, output) },
	}
}

// concurrent runs callers against a ledger and writes down what they saw.
func concurrent(t *testing.T, l *Ledger, seed uint64) []porcupine.Operation {
	t.Helper()
	var mu sync.Mutex
	var history []porcupine.Operation
	began := time.Now()
	call := func(client int, op linearOp, f func() (Decision, error)) Decision {
		from := time.Since(began).Nanoseconds()
		d, err := f()
		to := time.Since(began).Nanoseconds()
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		history = append(history, porcupine.Operation{ClientId: client, Input: op, Output: d, Call: from, Return: to})
		return d
	}
	var all sync.WaitGroup
	for client := range 8 {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(client)))
			for range 15 {
				r := ask([]Trigger{Manual, API, Playbook}[rng.IntN(3)])
				r.Units = 1 + rng.Int64N(3)
				d := call(client, linearOp{units: r.Units, trigger: r.Trigger}, func() (Decision, error) {
					return l.Reserve(context.Background(), r)
				})
				if !d.Allowed {
					continue
				}
				op := linearOp{settle: true, id: d.ID, units: r.Units, outcome: []Outcome{Spent, Void, Void, Uncertain}[rng.IntN(4)]}
				call(client, op, func() (Decision, error) { return Decision{}, l.Settle(op.id, op.outcome, 200) })
			}
		})
	}
	all.Wait()
	return history
}

// Whatever many callers see at once could have been seen one after the other.
func TestConcurrentHistoriesAreLinearizable(t *testing.T) {
	rng := seeded(t)
	const limit = 40
	model := linearModel(limit, DefaultFloors())
	allowed, refused := 0, 0
	for round := range 12 {
		l := openWith(t, filepath.Join(t.TempDir(), "ledger.db"), Options{Accounts: map[string]Account{src: {Limits: limits(t, fmt.Sprintf("%d/month", limit)), Floors: DefaultFloors()}}})
		history := concurrent(t, l, rng.Uint64())
		for _, op := range history {
			if !op.Input.(linearOp).settle {
				if op.Output.(Decision).Allowed {
					allowed++
				} else {
					refused++
				}
			}
		}
		if result := porcupine.CheckOperationsTimeout(model, history, 20*time.Second); result != porcupine.Ok {
			t.Fatalf("round %d: %s: %+v", round, result, history)
		}
		// One answer turned round is noticed.
		for i := range history {
			if out := history[i].Output.(Decision); out.Allowed {
				out.Remaining += limit
				history[i].Output = out
				break
			}
		}
		if result := porcupine.CheckOperationsTimeout(model, history, 20*time.Second); result == porcupine.Ok {
			t.Fatalf("round %d: a history that cannot be passes", round)
		}
	}
	if allowed == 0 || refused == 0 {
		t.Errorf("%d allowed, %d refused: nothing was at stake", allowed, refused)
	}
}
