package enrich_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
)

// Without a standstill it is a deadline like any other; TestFrozen of the
// program has the standstill.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, cancel := enrich.WithPatience(t.Context(), time.Minute)
		<-ctx.Done()
		if took := time.Since(began); took != time.Minute || !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
			t.Errorf("%v after %v", context.Cause(ctx), took)
		}
		cancel()
		for _, end := range []string{"itself", "parent"} {
			parent, cancelParent := context.WithCancel(t.Context())
			ctx, cancel := enrich.WithPatience(parent, time.Minute)
			if end == "itself" {
				cancel()
			}
			cancelParent()
			if <-ctx.Done(); !errors.Is(context.Cause(ctx), context.Canceled) {
				t.Errorf("%s: %v", end, context.Cause(ctx))
			}
			cancel()
		}
	})
}
