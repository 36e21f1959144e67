package main

import (
	"bytes"
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
)

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
	// Clock dates the books that were kept.
	Clock demoClock `json:"clock"`
}

// build makes the folder and starts the sandboxes. The stage has to be struck
// even when this fails.
func (c demoCmd) build() (st *demoStage, err error) {
	st = &demoStage{keep: c.Keep || c.Data != "", key: "sandbox-" + rand.Text(), state: demoMemory{Connector: uuid.NewString()}}
	kept, err := st.makeFolder(c.Data)
	if err != nil {
		return st, err
	}
	if st.state.Clock, err = c.clock(st.state.Clock, kept); err != nil {
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
	// The role Connector, and AUTOMATION, which lets it see the playbook's name.
	st.platform, err = platform.Start(platform.Options{Capabilities: []string{
		"CONNECTORAPI", "KNOWLEDGE", "KNOWLEDGE_KNUPDATE", "KNOWLEDGE_KNASKIMPORT", "MODULES", "MODULES_MODMANAGE", "AUTOMATION",
	}})
	return st, err
}

// clock goes on from the books that were kept, if there are any.
func (c demoCmd) clock(last demoClock, kept bool) (demoClock, error) {
	now := time.Now()
	switch {
	case !kept && c.Month == 0:
		return demoClock{}, nil
	case !kept:
		return newDemoClock(c.Month, now), nil
	case last.Month == c.Month:
		return last, nil
	case c.Month == 0:
		return last, fmt.Errorf("the books that were kept run by a clock with a month of %s: say --month, or choose another folder with --data", last.Month)
	}
	return last.at(c.Month, now), nil
}

// makeFolder finds or makes the folder, and reads what the last run left there,
// if it left anything.
func (st *demoStage) makeFolder(named string) (kept bool, err error) {
	st.dir = named
	switch {
	case !st.keep:
		st.dir, err = os.MkdirTemp("", "enrichgate-demo-")
		return false, err
	case named == "":
		caches, err := os.UserCacheDir()
		if err != nil {
			return false, fmt.Errorf("--keep needs a folder, name one with --data: %w", err)
		}
		st.dir = filepath.Join(caches, "enrichgate-demo")
	}
	if err := os.MkdirAll(st.dir, 0o700); err != nil {
		return false, err
	}
	b, err := os.ReadFile(filepath.Join(st.dir, demoState))
	if errors.Is(err, os.ErrNotExist) {
		entries, err := os.ReadDir(st.dir)
		if err == nil && len(entries) > 0 {
			err = fmt.Errorf("%s is not empty and not a demo's: give the demo a folder of its own", st.dir)
		}
		return false, err
	}
	if err == nil {
		err = json.Unmarshal(b, &st.state)
	}
	if err != nil {
		return false, fmt.Errorf("what the last demo left cannot be read: %w", err)
	}
	return true, nil
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

// demoPrice is what a unit costs here: as invented as the answers.
const demoPrice = "0.04"

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
		"PROOFPOINT_ET_INTELLIGENCE_QUOTA=" + limits, "PROOFPOINT_ET_INTELLIGENCE_UNIT_PRICE=" + demoPrice, "PROOFPOINT_ET_INTELLIGENCE_CURRENCY=EUR",
		"ENRICHGATE_DATA_DIR=" + st.data(), "ENRICHGATE_SHUTDOWN_TIMEOUT=1s",
		fmt.Sprintf("ENRICHGATE_HTTP_LISTEN=127.0.0.1:%d", front), "ENRICHGATE_ADMIN_TOKEN=demo-token-" + rand.Text(),
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
