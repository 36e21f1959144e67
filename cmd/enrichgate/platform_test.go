package main

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
	"github.com/enrichgate/enrichgate/enrich/opencti"
)

// A platform with a certificate of its own is believed when its authority is
// named, as a file or as text, or when nothing is checked; the token leaves for
// nobody else.
func TestPlatformsCertificate(t *testing.T) {
	var tokens []string
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tokens = append(tokens, r.Header.Get("Authorization"))
		fmt.Fprint(w, `{"data":{"work":{"user":{"name":"An Analyst"}}}}`)
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains of the handshakes that we refuse
	srv.StartTLS()
	defer srv.Close()
	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, own, 0o600); err != nil {
		t.Fatal(err)
	}
	journal, err := opencti.OpenJournal(filepath.Join(t.TempDir(), "journal.db"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = journal.Close() }() // nothing is written
	for _, c := range []struct{ verify, says string }{
		{"", "unknown authority"}, {"true", "unknown authority"},
		{file, ""}, {string(own), ""}, {"false", ""},
	} {
		tokens = nil
		s, err := settings.Load(settings.Options{Sources: sourceSpecs(), Dir: t.TempDir(), Environ: []string{
			"OPENCTI_URL=" + srv.URL, "OPENCTI_TOKEN=token-of-a-test", "CONNECTOR_ID=b5d1e2f0-6c1a-4a0b-9d3e-7f2a1c0e9b11", "OPENCTI_SSL_VERIFY=" + c.verify,
			"PROOFPOINT_ET_INTELLIGENCE_API_KEY=" + apiKey, "PROOFPOINT_ET_INTELLIGENCE_QUOTA=none",
		}})
		if err != nil {
			t.Fatal(err)
		}
		client, err := platformClient(s, nil)
		if err != nil {
			t.Fatal(err)
		}
		who := opencti.New(opencti.Config{Client: client, Journal: journal, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()}).Who()
		name, err := who.Person(t.Context(), "work")
		switch {
		case c.says == "" && (err != nil || name != "An Analyst" || len(tokens) != 1 || tokens[0] != "Bearer token-of-a-test"):
			t.Errorf("%.20q: %q, %v, tokens %q", c.verify, name, err, tokens)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says) || len(tokens) > 0):
			t.Errorf("%.20q: %v, tokens %q", c.verify, err, tokens)
		}
	}
}
