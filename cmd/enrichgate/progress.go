package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/output"
)

// progressAfter is how long something may take without saying how far it is.
const progressAfter = time.Second

// progress is a line on a terminal that says how far a list is.
type progress struct {
	out   io.Writer // nil: nowhere
	total int
	began time.Time
	units int64
	drawn bool
}

// newProgress draws on standard error, if that is a terminal and may be written on.
func newProgress(env *environment, total int) *progress {
	p := &progress{total: total, began: time.Now()}
	if !env.quiet && output.TerminalOf(env.stderr, env.environ).Width > 0 {
		p.out = env.stderr
	}
	return p
}

// at says that so many are done and that the last one cost so much.
func (p *progress) at(done int, units int64) {
	p.units += units
	passed := time.Since(p.began)
	if p.out == nil || passed < progressAfter || done == 0 {
		return
	}
	p.drawn = true
	fmt.Fprintf(p.out, "\r\x1b[K%s", p.line(done, passed))
}

func (p *progress) line(done int, passed time.Duration) string {
	const width = 20
	filled := width * done / p.total
	left := passed / time.Duration(done) * time.Duration(p.total-done)
	return fmt.Sprintf("looking up %d/%d  %s%s  %s units spent, %s to go", done, p.total,
		strings.Repeat("#", filled), strings.Repeat("-", width-filled), grouped(p.units), span(left))
}

// clear takes the line away.
func (p *progress) clear() {
	if p.drawn {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
