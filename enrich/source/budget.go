package source

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// What one run of a program may use. The figures are a hundred times what the
// catalogue's longest mapping needs for an answer with a hundred objects.
const (
	maxSteps  = 5_000_000       // instructions, ten for each value of an answer; some 150 ms
	maxMade   = 16 << 20        // bytes of text and lists that the program makes
	maxYields = 20_000          // values that it gives
	maxRun    = 2 * time.Second // backstop for what counts as one instruction
)

var (
	errSteps  = errors.New("the program takes too many steps")
	errMade   = errors.New("the program makes too much text")
	errYields = errors.New("the program gives too many values")
)

// budget is the account of one run, handed to gojq as its context: gojq asks
// for Done before each instruction, so that counting there bounds a run by its
// own length and not by how busy the machine is. Were gojq to stop asking, the
// deadline underneath would still hold; a test watches both.
type budget struct {
	context.Context
	steps, made int
	over        error
}

func newBudget(ctx context.Context) *budget {
	return &budget{Context: ctx, steps: maxSteps, made: maxMade}
}

// Done counts one step.
func (b *budget) Done() <-chan struct{} {
	if b.steps--; b.steps < 0 {
		b.over = errSteps
		spent := make(chan struct{})
		close(spent)
		return spent
	}
	return b.Context.Done()
}

// Err is why the run has to end.
func (b *budget) Err() error {
	if b.over != nil {
		return b.over
	}
	return b.Context.Err()
}

// charge books what a program made. Lists and objects are booked by their
// length, since their elements were booked when they were made.
func (b *budget) charge(v any) error {
	switch v := v.(type) {
	case string:
		b.made -= len(v)
	case []any:
		b.made -= 16 * len(v)
	case map[string]any:
		b.made -= 64 * len(v)
	}
	if b.made < 0 {
		b.over = errMade
		return errMade
	}
	return nil
}

// weigh books each value in an input that one instruction is to walk. It stops
// where the budget does, so that what refers to itself many times over costs no
// more than that.
func (b *budget) weigh(v any) error {
	switch v := v.(type) {
	case []any:
		b.steps -= 4 * len(v) // sorting compares each some times
		for _, e := range v {
			if b.steps < 0 || b.weigh(e) != nil {
				b.over = errSteps
				return errSteps
			}
		}
	case map[string]any:
		b.steps -= 4 * len(v)
		for _, e := range v {
			if b.steps < 0 || b.weigh(e) != nil {
				b.over = errSteps
				return errSteps
			}
		}
	}
	return nil
}

// Format keeps the budget, which programs carry in a variable, out of messages.
func (b *budget) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, "budget") }
