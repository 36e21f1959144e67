package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/enrichgate/enrichgate/enrich/opencti/openctitest"
	"github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
)

// Each message has the keys of its version, in the platform's order. The folder
// holds one message of each shape.
func TestMessageShapes(t *testing.T) {
	coverage := sandbox.Entity{
		ID: "security-coverage--6f2a4f6e-3c0e-5d6b-9b58-2f9a0f4c7b11", Type: "Security-Coverage",
		STIX: json.RawMessage(`{"id":"security-coverage--6f2a4f6e-3c0e-5d6b-9b58-2f9a0f4c7b11","spec_version":"2.1","type":"security-coverage","name":"x"}`),
	}
	address := sandbox.NewEntity("IPv4-Addr", "198.51.100.7", "TLP:GREEN")
	sends := map[string]func(context.Context, *sandbox.Platform) (string, error){
		"manual": func(ctx context.Context, p *sandbox.Platform) (string, error) { return p.Enrich(ctx, address.ID) },
		"auto-create": func(ctx context.Context, p *sandbox.Platform) (string, error) {
			return p.Auto(ctx, address.ID, "create")
		},
		"auto-update-draft": func(ctx context.Context, p *sandbox.Platform) (string, error) {
			return p.Ask(ctx, sandbox.Ask{EntityID: address.ID, Mode: "auto", Trigger: "update", DraftID: "d6a3c1c0-5f0e-4e7b-9b7a-3d2c1b0a9f88"})
		},
		"coverage": func(ctx context.Context, p *sandbox.Platform) (string, error) { return p.Enrich(ctx, coverage.ID) },
		"playbook": func(ctx context.Context, p *sandbox.Platform) (string, error) { return p.Playbook(ctx, address.ID) },
	}
	files, err := filepath.Glob("testdata/messages/*.json")
	if err != nil || len(files) != 8 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			i := strings.LastIndexByte(name, '-')
			kind, version := name[:i], name[i+1:]
			p := openctitest.StartPlatform(t, sandbox.Options{Version: version})
			c := &client{tb: t, p: p, id: openctitest.NewConnectorID(), token: p.Token()}
			c.register(version, map[string]any{"enrichment_resolution": "stix_bundle"})
			p.AddEntity(address)
			p.AddEntity(coverage)
			if _, err := sends[kind](t.Context(), p); err != nil {
				t.Fatal(err)
			}
			got := p.Queued()[0]
			compareShape(t, file, got)
		})
	}
}

func compareShape(t *testing.T, file string, got []byte) {
	t.Helper()
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if g, w := shape(t, got), shape(t, want); !slices.Equal(g, w) {
		t.Errorf("keys are\n%v\nwant\n%v", g, w)
	}
}

// shape lists the paths of all keys in order, with the kind of each leaf, but
// does not look into STIX objects.
func shape(t *testing.T, doc []byte) []string {
	t.Helper()
	var paths []string
	dec := json.NewDecoder(bytes.NewReader(doc))
	var walk func(path string)
	walk = func(path string) {
		tok, err := dec.Token()
		if err != nil {
			t.Fatalf("%v in %s", err, doc)
		}
		switch tok {
		case json.Delim('{'):
			for dec.More() {
				key, _ := dec.Token()
				next := path + "." + key.(string)
				if key == "objects" {
					paths = append(paths, next)
					var skip json.RawMessage
					if err := dec.Decode(&skip); err != nil {
						t.Fatal(err)
					}
					continue
				}
				walk(next)
			}
			_, _ = dec.Token()
		case json.Delim('['):
			t.Fatalf("unexpected list at %s", path)
		case nil:
			paths = append(paths, path+"=null")
		default:
			paths = append(paths, path)
		}
	}
	walk("")
	return paths
}
