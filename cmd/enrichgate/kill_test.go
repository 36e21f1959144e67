package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/opencti/openctitest"
	"github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
	provider "github.com/enrichgate/enrichgate/enrich/source/proofpoint/sandbox"
)

// childKill tells a child at which step, and at its how manyeth, to kill itself.
const childKill = "TEST_CHILD_KILL"

// asMain is a child that is the program itself, with its handling of signals.
const asMain = "main"

// child is a whole daemon in a process of its own, which ends by SIGKILL: at a
// step of the flow that it was told, or when its parent says so.
func child(kill string) int {
	if kill == asMain {
		os.Args = []string{"enrichgate", "run"}
		main()
	}
	step, nth, _ := strings.Cut(kill, ":")
	at, _ := strconv.Atoi(nth)
	s, err := settings.Load(settings.Options{Environ: os.Environ(), Sources: sourceSpecs()})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 78
	}
	var seen atomic.Int32
	trace := func(at_ enrich.Step) {
		if string(at_) == step && int(seen.Add(1)) == at {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // dead, as soon as the kernel comes to it
		}
	}
	if err := (serving{settings: s, log: newLog(os.Stderr, s, s.LogLevel), trace: trace, now: time.Now}).run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// spawn starts a child daemon in this world.
func (w *world) spawn(kill string, more ...string) *exec.Cmd {
	w.tb.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(w.env(more...), childKill+"="+kill)
	cmd.Stderr = testWriter{w.tb}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pings := w.platform.Pings()
	if err := cmd.Start(); err != nil {
		w.tb.Fatal(err)
	}
	w.tb.Cleanup(func() { _ = cmd.Process.Kill() })
	if !strings.HasPrefix(kill, "at-once") {
		openctitest.Eventually(w.tb, func() bool { return w.platform.Pings() > pings }, "the child pings")
	}
	return cmd
}

// A kill at any step between reservation and acknowledgement loses no message,
// forgets no spend and repeats nothing that the provider had answered for good.
func TestKillAtEveryStep(t *testing.T) {
	for _, c := range []struct {
		name string
		// step of the flow at which the child kills itself, or
		step string
		// operation of the platform at which the parent kills it, before or after its effect
		operation string
		after     bool
		playbook  bool
		// calls that the provider sees in all, for the one lookup that a file is
		calls, uncertain int64
		// answered is how often a playbook's step is answered
		answered int
	}{
		{name: "reserved", step: "reserved:1", calls: 1, uncertain: 1},
		{name: "answered, not stored", step: "answered:1", calls: 2, uncertain: 1},
		{name: "stored, not settled", step: "stored:1", calls: 1, uncertain: 1},
		{name: "settled", step: "settled:1", calls: 1},
		{name: "before the expectations", operation: sandbox.OpBegin, calls: 1},
		{name: "after the expectations", operation: sandbox.OpBegin, after: true, calls: 1},
		{name: "before the end is reported", operation: sandbox.OpToProcessed, calls: 1},
		{name: "after the end is reported", operation: sandbox.OpToProcessed, after: true, calls: 1},
		{name: "playbook: reserved", step: "reserved:1", playbook: true, calls: 1, uncertain: 1, answered: 1},
		{name: "playbook: stored", step: "stored:1", playbook: true, calls: 1, uncertain: 1, answered: 1},
		{name: "playbook: after its answer", operation: sandbox.OpStep, after: true, playbook: true, calls: 1, answered: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, openctitest.TestBroker(t))
			limit := "PROOFPOINT_ET_INTELLIGENCE_QUOTA=2/day"
			cmd := w.spawn(c.step, limit)
			if c.operation != "" {
				hang := make(chan struct{})
				defer close(hang)
				var once atomic.Bool
				w.platform.Intercept(func(op string, _ map[string]any) sandbox.Fault {
					if op != c.operation || !once.CompareAndSwap(false, true) {
						return sandbox.Fault{}
					}
					if !c.after {
						_ = cmd.Process.Kill()
						return sandbox.Fault{Drop: true}
					}
					go func() { _ = cmd.Process.Kill() }()
					return sandbox.Fault{After: true, Hang: hang}
				})
			}
			e := sandbox.NewEntity("StixFile", fmt.Sprintf("%032x", 5), "TLP:GREEN")
			w.platform.AddEntity(e)
			var work, step string
			var err error
			if c.playbook {
				step, err = w.platform.Playbook(t.Context(), e.ID)
			} else {
				work, err = w.platform.Enrich(t.Context(), e.ID)
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
				t.Fatalf("the child ended otherwise: %v", err)
			}
			seen := int64(w.provider.Bill().Total)
			if u := w.books(limit); u.Spent+u.Uncertain < seen {
				t.Errorf("after the kill the ledger says %+v, the provider saw %d calls", u, seen)
			}
			w.platform.Intercept(nil)
			stop := w.start(limit)
			if c.playbook {
				w.ended(nil, []string{step})
				if n := len(w.platform.Steps(step)); n != c.answered {
					t.Errorf("answered %d times", n)
				}
			} else {
				w.ended([]string{work}, nil)
				if _, there := w.platform.Imported()[e.ID]; !there {
					t.Error("the entity never arrived")
				}
			}
			stop()
			if n := int64(w.provider.Bill().Total); n != c.calls {
				t.Errorf("the provider saw %d calls, not %d", n, c.calls)
			}
			u := w.books(limit)
			t.Logf("asked 1 lookup in 2 lives, the provider saw %d calls, the ledger says %d spent, %d uncertain", w.provider.Bill().Total, u.Spent, u.Uncertain)
			if u.Uncertain != c.uncertain || u.Pending != 0 || u.Windows[0].Used > u.Windows[0].Limit {
				t.Errorf("ledger: %+v", u)
			}
		})
	}
}

// SIGTERM with sixty-four messages in hand: those that end in time are ended,
// the others go back to the queue, the exit code is 0, and the next life does
// what is left. No message is lost, no step is answered twice.
func TestTerminated(t *testing.T) {
	const inHand, all = 64, 100
	const under = 32 // calls that a source has under way at a time
	for name, c := range map[string]struct {
		timeout string
		held    bool // the provider answers only when the daemon is gone
		calls   int
	}{
		"in time":  {timeout: "PT30S", calls: all},
		"too late": {timeout: "PT1S", held: true, calls: all + under}, // those that had left; none that waited
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, openctitest.TestBroker(t))
			answer := make(chan struct{})
			w.provider.Handle(func(*http.Request, int) (provider.Reply, bool) {
				<-answer
				return provider.Reply{}, false
			})
			timeout := "ENRICHGATE_SHUTDOWN_TIMEOUT=" + c.timeout
			cmd := w.spawn(asMain, timeout)
			works, steps := w.burst(all, func(i int) sandbox.Entity {
				return sandbox.NewEntity("StixFile", fmt.Sprintf("%032x", i+1), "TLP:GREEN")
			})
			waiting := func() int {
				listen, _, err := w.platform.QueueDepth(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				return listen
			}
			openctitest.Eventually(t, func() bool { return w.provider.Bill().Total == under && waiting() == all-inHand }, "its hands are full")
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if !c.held {
				close(answer)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("it ended with %v", err)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %v to end", took)
			}
			if c.held {
				close(answer)
			}
			if u, seen := w.books(), int64(w.provider.Bill().Total); u.Spent+u.Uncertain != seen || u.Pending != 0 {
				t.Errorf("the ledger says %+v, the provider saw %d calls", u, seen)
			}
			stop := w.start()
			w.ended(works, steps)
			stop()
			for _, id := range steps {
				if n := len(w.platform.Steps(id)); n != 1 {
					t.Errorf("step %s was answered %d times", id, n)
				}
			}
			if n := w.provider.Bill().Total; n != c.calls {
				t.Errorf("%d calls, not %d", n, c.calls)
			}
			openctitest.NoProblems(t, w.platform)
		})
	}
}

// A daemon that is frozen longer than the broker's patience, and than a call may
// take, wakes up to a connection that is gone; what it held comes again, and is
// paid for once.
func TestFrozen(t *testing.T) {
	ctx := openctitest.Context(t)
	w := newWorld(t, openctitest.TestBroker(t))
	held := make(chan struct{})
	w.provider.Handle(func(*http.Request, int) (provider.Reply, bool) {
		<-held
		return provider.Reply{}, false
	})
	cmd := w.spawn("never:0", "MQ_HEARTBEAT=PT1S", "PROOFPOINT_ET_INTELLIGENCE_TIMEOUT=PT5S")
	works, steps := w.burst(20, someDomain)
	openctitest.Eventually(t, func() bool { return w.provider.Bill().Total > 0 }, "the provider is asked")
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	awake := time.After(7 * time.Second) // longer than a call may take
	waiting := func() int {
		listen, _, err := w.platform.QueueDepth(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return listen
	}
	openctitest.Eventually(t, func() bool { return waiting() > 0 }, "the broker takes its messages back")
	<-awake
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	openctitest.Eventually(t, func() bool { return waiting() == 0 }, "it takes its messages again")
	close(held) // a call that had been given up on waking would be paid for twice
	more, moreSteps := w.burst(4, someDomain)
	w.ended(append(works, more...), append(steps, moreSteps...))
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %v to recover", took)
	}
	if err := errors.Join(cmd.Process.Kill(), cmd.Wait()); err == nil {
		t.Error("it had ended before")
	}
	if n := w.provider.Bill().Total; n != 60 {
		t.Errorf("20 domains cost %d calls", n)
	}
	w.balance(24 * 3)
}
