package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
	platform "github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
	provider "github.com/enrichgate/enrichgate/enrich/source/proofpoint/sandbox"
	"github.com/enrichgate/enrichgate/quota"
)

type demoCmd struct {
	Keep  bool          `help:"Keep the data directory, so that the next run with --keep pays for nothing twice."`
	Data  string        `help:"Folder that --keep keeps (default: enrichgate-demo in the user's cache folder)." type:"path" placeholder:"DIR"`
	For   time.Duration `help:"End after this time (default: until Ctrl-C)." placeholder:"30s"`
	Rate  int           `help:"Messages a second." default:"4"`
	Quota string        `help:"The provider's limits." default:"200/minute,1000/day"`
	Seed  uint64        `help:"Which traffic to play." default:"1"`
}

// Run shows the real daemon at work between two sandboxes: a provider that
// keeps its own bill and a platform that speaks OpenCTI's protocol. Nothing
// leaves the machine, and every figure is read off one of the three.
func (c demoCmd) Run(env *environment) (err error) {
	ctx, cancel := context.WithCancel(env.ctx)
	defer cancel()
	if c.Rate < 1 || c.Rate > 100 {
		return &exitError{exitUsage, errors.New("--rate is between 1 and 100")}
	}
	stage, err := c.prepare()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stage.strike()) }()
	s, err := settings.Load(settings.Options{Environ: stage.environment(c.Quota), Check: checkSetting, Dir: stage.dir})
	if err != nil {
		return err
	}
	daemon := make(chan error, 1)
	daemonCtx, stopDaemon := context.WithCancel(context.WithoutCancel(ctx))
	defer stopDaemon()
	go func() { daemon <- serve(daemonCtx, s, newLog(env, s), nil) }()
	if err := waitReady(ctx, stage, daemon); err != nil {
		return err
	}
	show := &demoShow{demoStage: stage, out: env.stdout, rng: rand.New(rand.NewPCG(c.Seed, 0)), http: s.HTTPListen}
	show.header(c)
	if c.For > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, c.For)
		defer stop()
	}
	if err := show.play(ctx, time.Second/time.Duration(c.Rate)); err != nil {
		return err
	}
	// The daemon first ends what is in hand; only then do the books stand still.
	stopDaemon()
	if err := <-daemon; err != nil {
		return err
	}
	final, err := readQuota(env, s)
	if err != nil {
		return err
	}
	if len(final.Sources) != 1 {
		return errors.New("the ledger knows no source")
	}
	show.summary(final.Sources[0])
	return nil
}

// demoStage is what stands around the daemon.
type demoStage struct {
	dir      string
	kept     bool
	provider *provider.Provider
	server   *provider.Server
	platform *platform.Platform
	port     int // of the daemon's callback
	ID       string
	Port     int // of the provider, the same at every run with --keep
}

// prepare builds the stage. The provider comes back at the same address,
// because what another address answered is not served as this one's word.
func (c demoCmd) prepare() (st *demoStage, err error) {
	st = &demoStage{kept: c.Keep || c.Data != "", ID: uuid.NewString(), dir: c.Data}
	defer func() {
		if err != nil {
			err = errors.Join(err, st.strike())
		}
	}()
	switch {
	case !st.kept:
		if st.dir, err = os.MkdirTemp("", "enrichgate-demo"); err != nil {
			return st, err
		}
	case st.dir == "":
		cacheDir, err := os.UserCacheDir()
		if err != nil {
			return st, fmt.Errorf("--keep needs a place; name one with --data: %w", err)
		}
		st.dir = filepath.Join(cacheDir, "enrichgate-demo")
	}
	if err := os.MkdirAll(st.dir, 0o700); err != nil {
		return st, err
	}
	state := filepath.Join(st.dir, "demo.json")
	if b, err := os.ReadFile(state); err == nil {
		if err := json.Unmarshal(b, st); err != nil {
			return st, fmt.Errorf("%s is not a demo's: %w", state, err)
		}
	}
	st.provider = provider.New(provider.Options{Key: demoKey, Latency: 30 * time.Millisecond, NotFoundShare: 0.1})
	if st.server, err = st.provider.Serve(fmt.Sprintf("127.0.0.1:%d", st.Port)); err != nil {
		return st, fmt.Errorf("the sandbox provider needs its port of last time: %w", err)
	}
	if st.Port, err = portOf(st.server.URL()); err != nil {
		return st, err
	}
	b, err := json.Marshal(struct {
		ID   string
		Port int
	}{st.ID, st.Port})
	if err != nil {
		return st, err
	}
	if err := os.WriteFile(state, b, 0o600); err != nil {
		return st, err
	}
	if st.platform, err = platform.Start(platform.Options{}); err != nil {
		return st, err
	}
	st.port, err = freePort()
	return st, err
}

const demoKey = "sandbox-key-of-no-value"

func (st *demoStage) environment(limits string) []string {
	return []string{
		"OPENCTI_URL=" + st.platform.URL(), "OPENCTI_TOKEN=" + st.platform.Token(),
		"CONNECTOR_ID=" + st.ID, "CONNECTOR_NAME=enrichgate demo", "CONNECTOR_LOG_LEVEL=error",
		"CONNECTOR_LISTEN_PROTOCOL=API", "CONNECTOR_QUEUE_PROTOCOL=api",
		fmt.Sprintf("CONNECTOR_LISTEN_PROTOCOL_API_PORT=%d", st.port),
		fmt.Sprintf("CONNECTOR_LISTEN_PROTOCOL_API_URI=http://127.0.0.1:%d", st.port),
		"PROOFPOINT_ET_INTELLIGENCE_API_BASE_URL=" + st.server.URL(), "PROOFPOINT_ET_INTELLIGENCE_API_KEY=" + demoKey,
		"PROOFPOINT_ET_INTELLIGENCE_QUOTA=" + limits,
		"ENRICHGATE_DATA_DIR=" + st.data(), "ENRICHGATE_HTTP_LISTEN=off",
	}
}

func (st *demoStage) data() string { return filepath.Join(st.dir, "data") }

// strike takes the stage down.
func (st *demoStage) strike() error {
	var errs []error
	if st.platform != nil {
		errs = append(errs, st.platform.Close())
	}
	if st.server != nil {
		errs = append(errs, st.server.Close())
	}
	if !st.kept && st.dir != "" {
		errs = append(errs, os.RemoveAll(st.dir))
	}
	return errors.Join(errs...)
}

// usage reads the ledger as `enrichgate quota` does.
func (st *demoStage) usage(ctx context.Context) (u quota.Usage, err error) {
	by, err := readHolder(st.data())
	if err != nil {
		return u, err
	}
	d, err := daemonOf(&heldError{dir: st.data(), by: by})
	if err != nil {
		return u, err
	}
	body, err := d.get(ctx, "/api/v1/quota", nil, "application/json")
	if err != nil {
		return u, err
	}
	var answer struct{ Sources []quota.Usage }
	if err := json.Unmarshal(body, &answer); err != nil {
		return u, err
	}
	if len(answer.Sources) == 0 {
		return u, errors.New("the ledger knows no source")
	}
	return answer.Sources[0], nil
}

// waitReady returns when the daemon has registered and pinged.
func waitReady(ctx context.Context, st *demoStage, daemon <-chan error) error {
	ready := make(chan error, 1)
	go func() { ready <- st.platform.Wait(ctx, func() bool { return st.platform.Pings() > 0 }) }()
	select {
	case err := <-ready:
		return err
	case err := <-daemon:
		return errors.Join(errors.New("the daemon did not start"), err)
	}
}

func portOf(url string) (int, error) {
	_, rest, _ := strings.Cut(url, "://")
	host, _, _ := strings.Cut(rest, "/")
	a, err := net.ResolveTCPAddr("tcp", host)
	if err != nil {
		return 0, err
	}
	return a.Port, nil
}

// freePort finds a port for the daemon's callback, which must be known before
// the daemon starts.
func freePort() (int, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := ln.Addr().(*net.TCPAddr).Port
	return port, ln.Close()
}
