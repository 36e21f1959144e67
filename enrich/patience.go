package enrich

import (
	"context"
	"time"
)

// stoodStill is how late a timer must come to show that the process was stopped
// (SIGSTOP, a frozen container, a machine that was moved).
const stoodStill = time.Second

// WithPatience is context.WithTimeout for the wait for an answer that was paid
// for, or that must not be asked for twice: a process that stood still when the
// time was up takes in what came meanwhile, and waits as long once more for what
// did not.
func WithPatience(parent context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	var wait func()
	wait = func() {
		due := time.Now().Add(d)
		timer := time.AfterFunc(d, func() {
			if time.Since(due) > stoodStill {
				wait()
				return
			}
			cancel(context.DeadlineExceeded)
		})
		context.AfterFunc(ctx, func() { timer.Stop() })
	}
	wait()
	return ctx, func() { cancel(nil) }
}
