package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/google/uuid"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
	platform "github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
	provider "github.com/enrichgate/enrichgate/enrich/source/proofpoint/sandbox"
	"github.com/enrichgate/enrichgate/quota"
)

type demoCmd struct {
	Keep  bool          `help:"Keep the data, so that the next run with --keep shows that nothing is paid for twice."`
	Data  string        `help:"Folder to keep the data in; implies --keep (default: enrichgate-demo in the user's cache folder)." type:"path" placeholder:"DIR"`
	For   time.Duration `help:"End after this time (default: at Ctrl-C)." placeholder:"30s"`
	Rate  float64       `help:"Messages a second at most, from 0.1 to 100." default:"4"`
	Quota string        `help:"What may be spent at the provider." default:"200/minute,1000/day"`
	Seed  uint64        `help:"Which traffic to play; the same seed is the same traffic." default:"1"`
}

// Run puts the real daemon between two sandboxes, a provider that keeps its own
// bill and a platform that speaks OpenCTI's protocol, and plays traffic.
// Nothing leaves the machine, and every figure that is shown is read off one of
// the three.
func (c demoCmd) Run(env *environment) (err error) {
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
	d := startDemoDaemon(env.ctx, s, log)
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
	answer, err := booksOnDisk(env, s)
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
	}
	if _, err := quota.ParseLimits(c.Quota); err != nil {
		return fmt.Errorf("--quota: %w", err)
	}
	return nil
}

// Files of a demo's folder, beside the daemon's data directory.
const (
	demoData  = "data"
	demoState = "demo.json"
	demoBill  = "provider-bill.txt"
)

// demoStage is what stands around the daemon.
type demoStage struct {
	dir      string
	keep     bool
	state    demoMemory
	key      string
	provider *provider.Provider
	server   *provider.Server
	platform *platform.Platform
	// paid is the length of the bill that earlier runs left.
	paid int
}

// demoMemory is what a run leaves for the next one on the same folder.
type demoMemory struct {
	Connector string `json:"connector_id"`
	// Port of the provider: what another address answered is not served as
	// this one's word, so it has to come back at the same.
	Port int `json:"provider_port"`
}

// build makes the folder and starts the sandboxes. The stage has to be struck
// even when this fails.
func (c demoCmd) build() (st *demoStage, err error) {
	st = &demoStage{keep: c.Keep || c.Data != "", key: "sandbox-" + rand.Text(), state: demoMemory{Connector: uuid.NewString()}}
	if err := st.makeFolder(c.Data); err != nil {
		return st, err
	}
	st.provider = provider.New(provider.Options{Key: st.key, Latency: 30 * time.Millisecond, NotFoundShare: 0.1})
	if err := st.keepBill(); err != nil {
		return st, err
	}
	st.server, err = st.provider.Serve(fmt.Sprintf("127.0.0.1:%d", st.state.Port))
	if errors.Is(err, syscall.EADDRINUSE) {
		return st, fmt.Errorf("port %d, where the provider of %s was the last time, is taken: end the demo that still runs there, or choose another folder with --data", st.state.Port, st.dir)
	}
	if err != nil {
		return st, err
	}
	if st.state.Port, err = portOf(st.server.URL()); err != nil {
		return st, err
	}
	if err := st.remember(); err != nil {
		return st, err
	}
	st.platform, err = platform.Start(platform.Options{})
	return st, err
}

// makeFolder finds or makes the folder, and reads what the last run left there.
func (st *demoStage) makeFolder(named string) (err error) {
	st.dir = named
	switch {
	case !st.keep:
		st.dir, err = os.MkdirTemp("", "enrichgate-demo-")
		return err
	case named == "":
		caches, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("--keep needs a folder, name one with --data: %w", err)
		}
		st.dir = filepath.Join(caches, "enrichgate-demo")
	}
	if err := os.MkdirAll(st.dir, 0o700); err != nil {
		return err
	}
	b, err := os.ReadFile(filepath.Join(st.dir, demoState))
	if errors.Is(err, os.ErrNotExist) {
		entries, err := os.ReadDir(st.dir)
		if err == nil && len(entries) > 0 {
			err = fmt.Errorf("%s is not empty and not a demo's: give the demo a folder of its own", st.dir)
		}
		return err
	}
	if err == nil {
		err = json.Unmarshal(b, &st.state)
	}
	if err != nil {
		return fmt.Errorf("what the last demo left cannot be read: %w", err)
	}
	return nil
}

func (st *demoStage) remember() error {
	b, err := json.Marshal(st.state)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(st.dir, demoState), append(b, '\n'), 0o600)
}

// keepBill lets the provider go on writing the bill of earlier runs.
func (st *demoStage) keepBill() error {
	path := filepath.Join(st.dir, demoBill)
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	st.paid = bytes.Count(b, []byte("\n"))
	return st.provider.SaveBill(path)
}

// data is the daemon's data directory.
func (st *demoStage) data() string { return filepath.Join(st.dir, demoData) }

// strike takes the stage down.
func (st *demoStage) strike() error {
	var errs []error
	if st.platform != nil {
		errs = append(errs, st.platform.Close())
	}
	if st.server != nil {
		errs = append(errs, st.server.Close())
	}
	if st.provider != nil {
		errs = append(errs, st.provider.SaveBill(""))
	}
	if !st.keep && st.dir != "" {
		errs = append(errs, os.RemoveAll(st.dir))
	}
	return errors.Join(errs...)
}

// settings are the daemon's, read the way it reads the operator's; only the
// environment and the configuration file of this machine stay out.
func (st *demoStage) settings(limits string) (settings.Settings, error) {
	callback, err := freePort(0)
	if err != nil {
		return settings.Settings{}, err
	}
	front, err := freePort(8080)
	if err != nil {
		return settings.Settings{}, err
	}
	return settings.Load(settings.Options{ConfigPath: os.DevNull, Sources: sourceSpecs(), Environ: []string{
		"OPENCTI_URL=" + st.platform.URL(), "OPENCTI_TOKEN=" + st.platform.Token(), "OPENCTI_JSON_LOGGING=false",
		"CONNECTOR_ID=" + st.state.Connector, "CONNECTOR_NAME=demo", "CONNECTOR_LOG_LEVEL=warn",
		"CONNECTOR_LISTEN_PROTOCOL=API", "CONNECTOR_QUEUE_PROTOCOL=api",
		fmt.Sprintf("CONNECTOR_LISTEN_PROTOCOL_API_PORT=%d", callback),
		fmt.Sprintf("CONNECTOR_LISTEN_PROTOCOL_API_URI=http://127.0.0.1:%d", callback),
		"PROOFPOINT_ET_INTELLIGENCE_API_BASE_URL=" + st.server.URL(), "PROOFPOINT_ET_INTELLIGENCE_API_KEY=" + st.key,
		"PROOFPOINT_ET_INTELLIGENCE_QUOTA=" + limits,
		"ENRICHGATE_DATA_DIR=" + st.data(), "ENRICHGATE_SHUTDOWN_TIMEOUT=1s",
		fmt.Sprintf("ENRICHGATE_HTTP_LISTEN=127.0.0.1:%d", front), "ENRICHGATE_HTTP_TOKEN=" + rand.Text(),
	}})
}

func portOf(address string) (int, error) {
	u, err := url.Parse(address)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(u.Port())
}

// freePort is wanted if that is free on this machine, else another that is.
func freePort(wanted int) (int, error) {
	ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", wanted))
	if err != nil && wanted != 0 {
		return freePort(0)
	}
	if err != nil {
		return 0, err
	}
	return ln.Addr().(*net.TCPAddr).Port, ln.Close()
}

// demoDaemon is the daemon, run as `enrichgate run` runs it.
type demoDaemon struct {
	dir   string
	stop  context.CancelFunc
	ended chan struct{} // closed when serve has returned
	err   error         // what it returned
	ask   *daemon       // its local socket, once it is ready
}

func startDemoDaemon(ctx context.Context, s settings.Settings, log *demoLog) *demoDaemon {
	d := &demoDaemon{dir: s.DataDir, ended: make(chan struct{})}
	// Ctrl-C ends the traffic first, then the daemon.
	ctx, d.stop = context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(d.ended)
		d.err = serve(ctx, s, log.logger(), nil)
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
