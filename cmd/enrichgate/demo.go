package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
	platform "github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
	"github.com/enrichgate/enrichgate/quota"
)

type demoCmd struct {
	Keep  bool          `help:"Keep the data, so that the next run with --keep shows that nothing is paid for twice."`
	Data  string        `help:"Folder to keep the data in; implies --keep (default: enrichgate-demo in the user's cache folder)." type:"path" placeholder:"DIR"`
	For   time.Duration `help:"End after this time (default: at Ctrl-C)." placeholder:"30s"`
	Rate  float64       `help:"Messages a second at most, from 0.1 to 100." default:"4"`
	Month time.Duration `help:"How long a month of the books takes, so that a quota can be seen to end; 0 for a real one." default:"30m"`
	Quota string        `help:"What may be spent at the provider (default: 1000/month, in a real month 200/minute,1000/day)." placeholder:"LIMITS"`
	Seed  uint64        `help:"Which traffic to play; the same seed is the same traffic." default:"1"`
}

// Run puts the real daemon between two sandboxes, a provider that keeps its own
// bill and a platform that speaks OpenCTI's protocol, and plays traffic.
// Nothing leaves the machine, and every figure that is shown is read off one of
// the three.
func (c demoCmd) Run(env *environment) (err error) {
	if c.Quota == "" {
		c.Quota = "1000/month"
		if c.Month == 0 {
			c.Quota = "200/minute,1000/day"
		}
	}
	if err := c.check(); err != nil {
		return &exitError{exitUsage, err}
	}
	st, err := c.build()
	defer func() { err = errors.Join(err, st.strike()) }()
	if err != nil {
		return err
	}
	s, err := st.settings(c.Quota)
	if err != nil {
		return err
	}
	log := newDemoLog(env, s)
	d := startDemoDaemon(env.ctx, s, log, st.state.Clock)
	defer func() { err = errors.Join(err, d.end()) }()
	if err := d.ready(env.ctx, st.platform); err != nil {
		if env.ctx.Err() != nil {
			return nil // Ctrl-C before anything began
		}
		return err
	}
	books, err := openDemoBooks(context.WithoutCancel(env.ctx), st, d.ask)
	if err != nil {
		return err
	}
	show := &demoShow{paper: newPaper(env), books: books, began: time.Now()}
	player := &demoPlayer{script: newScript(c.Seed), platform: st.platform, books: books, log: log, show: show, billed: books.bill(), totaled: time.Now()}
	show.header(c, s, st)
	if err := player.play(env.ctx, d, c.For, time.Duration(float64(time.Second)/c.Rate)); err != nil {
		return err
	}
	_, seeErr := player.since(context.WithoutCancel(env.ctx), 0)
	if err := errors.Join(seeErr, d.end()); err != nil {
		return err
	}
	// Now read off the disk: what the daemon left behind.
	answer, err := booksOnDisk(env, s, st.state.Clock)
	if err != nil {
		return err
	}
	return show.summary(player.seen, answer, st)
}

func (c demoCmd) check() error {
	switch {
	case c.Rate < 0.1 || c.Rate > 100:
		return errors.New("--rate is between 0.1 and 100")
	case c.For < 0:
		return errors.New("--for is a time to come, such as 30s")
	case c.Month < 0 || c.Month > 0 && c.Month < shortestDemoMonth || c.Month > demoMonth:
		return fmt.Errorf("--month is 0 or between %s and %s", shortestDemoMonth, demoMonth)
	}
	limits, err := quota.ParseLimits(c.Quota)
	if err != nil {
		return fmt.Errorf("--quota: %w", err)
	}
	for _, l := range limits {
		if c.Month > 0 && l.Per < quota.Day {
			return fmt.Errorf("--quota: %s is over in no time where a month takes %s; use days, weeks or a month, or --month 0", l, c.Month)
		}
	}
	return nil
}

// shortestDemoMonth is how short a month may be for the figures to be followed.
const shortestDemoMonth = 20 * time.Second

// demoDaemon is the daemon, run as `enrichgate run` runs it.
type demoDaemon struct {
	dir   string
	stop  context.CancelFunc
	ended chan struct{} // closed when serve has returned
	err   error         // what it returned
	ask   *daemon       // its local socket, once it is ready
}

func startDemoDaemon(ctx context.Context, s settings.Settings, log *demoLog, clock demoClock) *demoDaemon {
	d := &demoDaemon{dir: s.DataDir, ended: make(chan struct{})}
	// Ctrl-C ends the traffic first, then the daemon.
	ctx, d.stop = context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(d.ended)
		d.err = serving{settings: s, log: log.logger(), now: clock.now}.run(ctx)
	}()
	return d
}

// ready returns when the daemon has registered and pinged.
func (d *demoDaemon) ready(ctx context.Context, p *platform.Platform) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pinged := make(chan error, 1)
	go func() { pinged <- p.Wait(ctx, func() bool { return p.Pings() > 0 }) }()
	select {
	case err = <-pinged:
	case <-d.ended:
		return errors.Join(errors.New("the daemon did not start"), d.end())
	}
	if err != nil {
		return err
	}
	by, err := readHolder(d.dir)
	if err == nil {
		d.ask, err = daemonOf(&heldError{dir: d.dir, by: by})
	}
	return err
}

// end stops the daemon, waits for it, and says what it returned, once.
func (d *demoDaemon) end() error {
	d.stop()
	<-d.ended
	err := d.err
	d.err = nil
	return err
}
