package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
	"github.com/enrichgate/enrichgate/enrich/opencti"
	provider "github.com/enrichgate/enrichgate/enrich/source/proofpoint/sandbox"
)

// patient is an environment for the doctor, with a platform that answers so.
func patient(t *testing.T, answer http.HandlerFunc, more ...string) []string {
	t.Helper()
	srv := httptest.NewServer(answer)
	t.Cleanup(srv.Close)
	return append([]string{
		"OPENCTI_URL=" + srv.URL, "OPENCTI_TOKEN=token-of-opencti-0123456789", "CONNECTOR_ID=b5d1e2f0-6c1a-4a0b-9d3e-7f2a1c0e9b11",
		"PROOFPOINT_ET_INTELLIGENCE_API_BASE_URL=" + srv.URL, "PROOFPOINT_ET_INTELLIGENCE_API_KEY=" + apiKey,
		"ENRICHGATE_DATA_DIR=" + filepath.Join(t.TempDir(), "data"), "ENRICHGATE_HTTP_LISTEN=127.0.0.1:0",
	}, more...)
}

// found is what the doctor found, by check.
func found(t *testing.T, environ []string) (int, map[string]finding) {
	t.Helper()
	code, out, _ := said(t, environ, "doctor", "-o", "json")
	var rows []struct{ Check, State, Detail, Advice string }
	if err := json.Unmarshal([]byte(out), &rows); err != nil {
		t.Fatalf("exit %d: %v: %s", code, err, out)
	}
	all := map[string]finding{}
	for _, r := range rows {
		all[r.Check] = finding{r.Check, r.State, r.Detail, r.Advice}
		if (r.Advice == "") != (r.State == "ok" || r.State == "skipped") {
			t.Errorf("%+v: advice is for what is wrong, and only for that", r)
		}
	}
	return code, all
}

func TestDoctor(t *testing.T) {
	welcome := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer token-of-opencti-0123456789" {
			http.Error(w, "who?", http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `{"data":{"me":{"name":"connector"},"about":{"version":"7.1.0"}}}`)
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		more   []string
		code   int
		want   map[string]string // check: state and a part of what was found
	}{
		"well": {welcome, nil, 0, map[string]string{
			"settings": "ok 1 sources", "OpenCTI's name": "ok 127.0.0.1", "OpenCTI's answer": "ok 7.1.0", "OpenCTI's token": "ok connector's",
			"clock": "ok within", "broker": "skipped", "HTTP address": "ok free", "proofpoint_et_intelligence": "ok can be reached", "data directory": "warning first start",
		}},
		"token": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"errors":[{"message":"You must be logged in"}],"data":{"me":null}}`)
		}, nil, 1, map[string]string{"OpenCTI's answer": "ok", "OpenCTI's token": "failed logged in"}},
		"path": {func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }, nil, 1, map[string]string{
			"OpenCTI's answer": "failed HTTP 404", "OpenCTI's token": "skipped", "clock": "ok",
		}},
		"clock": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
			welcome(w, r)
		}, nil, 0, map[string]string{"clock": "warning 1h0m"}},
		"name":     {welcome, []string{"OPENCTI_URL=http://nowhere.invalid"}, 1, map[string]string{"OpenCTI's name": "failed nowhere.invalid", "OpenCTI's answer": "failed"}},
		"provider": {welcome, []string{"PROOFPOINT_ET_INTELLIGENCE_API_BASE_URL=http://127.0.0.1:1"}, 1, map[string]string{"proofpoint_et_intelligence": "failed refused"}},
		"broker":   {welcome, []string{"MQ_HOST=127.0.0.1", "MQ_PORT=1"}, 1, map[string]string{"broker": "failed refused"}},
	} {
		t.Run(name, func(t *testing.T) {
			code, all := found(t, patient(t, c.answer, c.more...))
			if code != c.code {
				t.Errorf("exit %d: %+v", code, all)
			}
			for check, want := range c.want {
				state, part, _ := strings.Cut(want, " ")
				if got := all[check]; got.state != state || !strings.Contains(got.detail, part) {
					t.Errorf("%s: %+v, want %s", check, got, want)
				}
			}
		})
	}
	// A certificate that nobody vouches for is told apart.
	srv := httptest.NewUnstartedServer(http.HandlerFunc(welcome))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains of the handshake that we refuse
	srv.StartTLS()
	defer srv.Close()
	_, all := found(t, patient(t, welcome, "OPENCTI_URL="+srv.URL))
	if got := all["OpenCTI's answer"]; got.state != "failed" || !strings.Contains(got.advice, "OPENCTI_SSL_VERIFY") {
		t.Errorf("%+v", got)
	}
}

// Each wrong setting has its row and all together their own exit code; what does
// not depend on them is looked at all the same.
func TestDoctorOfWrongSettings(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	dir := filepath.Join(t.TempDir(), "data")
	code, out, _ := said(t, []string{
		"OPENCTI_URL=nonsense", "CONNECTOR_ID=none", "CONNECTOR_AUTO=perhaps", "ENRICHGATE_DATA_DIR=" + dir,
		"PROOFPOINT_ET_INTELLIGENCE_API_BASE_URL=" + srv.URL, "PROOFPOINT_ET_INTELLIGENCE_API_KEY=" + apiKey,
	}, "doctor", "--jq", `.[]|.check+" "+.state+" "+.detail`)
	if code != exitConfig {
		t.Errorf("exit %d", code)
	}
	for _, want := range []string{
		"settings failed OPENCTI_URL=\"nonsense\": ", "settings failed OPENCTI_TOKEN: ", "settings failed CONNECTOR_ID=", "settings failed CONNECTOR_AUTO=",
		"data directory warning " + dir, "disk ", "volume ", "OpenCTI's name skipped OPENCTI_URL", "OpenCTI's token skipped", "clock skipped",
		"proofpoint_et_intelligence ok " + strings.TrimPrefix(srv.URL, "http://"),
	} {
		if strings.Count("\n"+out, "\n"+want) != 1 {
			t.Errorf("not there once: %s\n%s", want, out)
		}
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the doctor made the data directory")
	}
}

func TestDoctorOnTheDisk(t *testing.T) {
	dir := t.TempDir()
	if f := checkDataDir(dir); f.state != "warning" || !strings.Contains(f.advice, "chmod 700") {
		t.Errorf("open to all: %+v", f)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if f := checkDataDir(dir); f.state != "warning" || !strings.Contains(f.advice, "ENRICHGATE_DATA_DIR") {
		t.Errorf("without a ledger: %+v", f)
	}
	ledger := filepath.Join(dir, fileLedger)
	if err := os.WriteFile(ledger, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if f := checkDataDir(dir); f.state != "ok" {
		t.Errorf("%+v", f)
	}
	if err := os.Remove(ledger); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "thesis")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{dir: "other things", file: "no directory", filepath.Join(dir, "none"): "does not exist"} {
		if f := checkDataDir(path); f.state == "ok" || !strings.Contains(f.detail, want) {
			t.Errorf("%s: %+v", path, f)
		}
	}
	for mode, want := range map[os.FileMode]string{0o777: "failed others may write", 0o770: "warning group"} {
		open := t.TempDir()
		state, part, _ := strings.Cut(want, " ")
		if err := errors.Join(os.WriteFile(filepath.Join(open, fileLedger), nil, 0o600), os.Chmod(open, mode)); err != nil {
			t.Fatal(err)
		}
		if f := checkDataDir(open); f.state != state || !strings.Contains(f.detail, part) || !strings.Contains(f.advice, "chmod 700") {
			t.Errorf("%o: %+v", mode, f)
		}
	}
	for free, want := range map[uint64]string{1 << 40: "ok", fewBytes - 1: "warning", tooFewBytes - 1: "failed"} {
		if f := judgeSpace(free); f.state != want {
			t.Errorf("%d bytes: %+v", free, f)
		}
	}
	for kind, want := range map[int64]string{unix.EXT4_SUPER_MAGIC: "ok", unix.OVERLAYFS_SUPER_MAGIC: "warning", unix.TMPFS_MAGIC: "warning", unix.NFS_SUPER_MAGIC: "warning"} {
		if f := judgeVolume(kind); f.state != want {
			t.Errorf("%x: %+v", kind, f)
		}
	}
}

// The HTTP address is free, or the daemon's, or somebody else's.
func TestDoctorOnTheAddress(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	s := settings.Settings{DataDir: t.TempDir(), HTTPListen: other.Addr().String()}
	if f := checkListen(t.Context(), s); f.state != "failed" || !strings.Contains(f.detail, "another program") {
		t.Errorf("%+v", f)
	}
	d, err := holdDataDir(s.DataDir, "run")
	if err == nil {
		err = d.listensAt("socket")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.release() }()
	if f := checkListen(t.Context(), s); f.state != "ok" || !strings.Contains(f.detail, "in use") {
		t.Errorf("%+v", f)
	}
	s.HTTPListen = ""
	if f := checkListen(t.Context(), s); f.state != "skipped" {
		t.Errorf("%+v", f)
	}
}

// A source that is left alone is trouble, and says why; the daemon is well all
// the same, for whoever would restart it.
func TestStatusOfARefusedKey(t *testing.T) {
	b := newBench(t)
	away := errors.New("OpenCTI is away")
	front, err := b.listen("", func() []opencti.State { return []opencti.State{{Name: "demo", Platform: away, Messages: away}} })
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = front.close() }()
	b.provider.Handle(func(*http.Request, int) (provider.Reply, bool) {
		return provider.Reply{Status: http.StatusForbidden}, true
	})
	said(t, b.environ, "lookup", "198.51.100.7")
	code, out, errs := said(t, b.environ, "status")
	if code != 1 || !strings.Contains(out, "source proofpoint_et_intelligence\tfailed\tleft alone until ") || !strings.Contains(out, "refused the API key") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	if code, out, errs := said(t, b.environ, "status", "--json"); code != 1 || !strings.HasPrefix(out, "[\n{\"part\":\"daemon\"") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	if code, _, errs := said(t, b.environ, "healthcheck"); code != 0 || errs != "" {
		t.Errorf("healthcheck: exit %d: %s", code, errs)
	}
	if code, out, errs := said(t, b.environ, "metrics"); code != 0 || !strings.Contains(out, `enrichgate_source_circuit_open{circuit="auth",source="proofpoint_et_intelligence"} 1`) {
		t.Errorf("metrics: exit %d: %s", code, errs)
	}
}

func TestStatus(t *testing.T) {
	b := newBench(t)
	if code, _, errs := said(t, b.environ, "status"); code != exitUnreachable || strings.Count(errs, "\n") != 1 {
		t.Errorf("without a socket: exit %d, %s", code, errs)
	}
	var broken error
	front, err := b.listen("", func() []opencti.State { return []opencti.State{{Name: "demo", Messages: broken}} })
	if err != nil {
		t.Fatal(err)
	}
	code, out, errs := said(t, b.environ, "status")
	if code != 0 || !strings.Contains(out, "connector demo\tok") || !strings.Contains(out, "10 000 of 10 000 left this month") || errs != "" {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	if code, out, _ := said(t, b.environ, "doctor", "--jq", `.[]|select(.check=="broker").state`); out != "ok\n" {
		t.Errorf("doctor of a running daemon: exit %d, %s", code, out)
	}
	broken = errors.New("no answer from the broker")
	if code, out, _ := said(t, b.environ, "status", "--json", "part,state,detail"); code != 1 || !strings.Contains(out, `{"part":"connector demo","state":"failed","detail":"no answer from the broker"}`) {
		t.Errorf("exit %d: %s", code, out)
	}
	said(t, b.environ, "source", "pause", "proofpoint_et_intelligence", "--reason", "test")
	if code, out, _ := said(t, b.environ, "status"); code != 1 || !strings.Contains(out, "paused") {
		t.Errorf("exit %d: %s", code, out)
	}
	if err := front.close(); err != nil {
		t.Fatal(err)
	}
	b.shut(t)
	if code, _, errs := said(t, b.environ, "status"); code != exitUnreachable || !strings.Contains(errs, "no enrichgate runs") {
		t.Errorf("stopped: exit %d, %s", code, errs)
	}
}
