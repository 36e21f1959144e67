package openctitest_test

import (
	"errors"
	"os"
	"testing"

	"github.com/enrichgate/enrichgate/enrich/opencti/openctitest"
)

func TestMain(m *testing.M) { os.Exit(openctitest.Main(m)) }

func TestBrokerFromEnvironment(t *testing.T) {
	if testing.Short() {
		t.Skip("TestBroker skips with -short")
	}
	t.Setenv("AMQP_URL", "amqp://guest:guest@127.0.0.1:1/")
	b := openctitest.TestBroker(t)
	if b.URL() != "amqp://guest:guest@127.0.0.1:1/" {
		t.Errorf("URL is %q", b.URL())
	}
	for name, err := range map[string]error{
		"Kill": b.Kill(), "Stop": b.Stop(), "Restart": b.Restart(t.Context()), "Sync": b.Sync(t.Context()),
	} {
		if !errors.Is(err, openctitest.ErrNotOurs) {
			t.Errorf("%s = %v", name, err)
		}
	}
}

func TestEventually(t *testing.T) {
	n := 0
	openctitest.Eventually(t, func() bool { n++; return n == 3 }, "three looks")
}
