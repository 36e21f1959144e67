package sandbox_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
)

func TestTrim(t *testing.T) {
	p, err := sandbox.Start(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ask := func() {
		resp, err := http.Post(p.URL()+"/graphql", "application/json", strings.NewReader(`{"query":"query { about { version } }"}`))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	ask()
	if calls := p.Calls(); len(calls) != 1 || calls[0].Query == "" {
		t.Fatalf("before: %+v", calls)
	}
	p.Trim()
	if calls := p.Calls(); len(calls) != 1 || calls[0].Query != "" || calls[0].Header != nil {
		t.Errorf("after: %+v", calls)
	}
	ask()
	if n := p.Count("about"); n != 2 {
		t.Errorf("%d calls are counted, want 2", n)
	}
}
