package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/enrichgate/enrichgate/enrich/source"
	"github.com/enrichgate/enrichgate/enrich/source/proofpoint"
)

// The table in the README of the sources is made of all that ship, native and declared.
func TestReadmeOfSources(t *testing.T) {
	const begin, end = "<!-- sources -->\n", "<!-- /sources -->"
	path := filepath.Join(root, "enrich/source/README.md")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, okBegin := strings.Cut(string(b), begin)
	_, after, okEnd := strings.Cut(rest, end)
	if !okBegin || !okEnd {
		t.Fatal("the README has no place for the table")
	}
	rows := []source.Row{nativeRow()}
	all, problems := source.Load(source.CatalogueFS()) // tried: the table says what they make
	for _, d := range all {
		rows = append(rows, d.Row())
	}
	want := before + begin + "\n" + source.Table(rows) + "\n" + end + after
	switch {
	case len(problems) > 0:
		t.Error(problems)
	case *updateGolden:
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	case want != string(b):
		t.Error("the table is not that of the sources: go test ./cmd/enrichgate -run TestReadmeOfSources -update")
	}
}

// The native source is listed and shown beside the declared ones, and what can
// only be done with a definition says why it cannot.
func TestNativeSourceIsListed(t *testing.T) {
	code, out, _ := sources(t, nil, "list")
	for _, spec := range sourceSpecs() {
		if code != 0 || !strings.Contains(out, "\n"+spec.Name+" ") {
			t.Errorf("exit %d: %s is not listed:\n%s", code, spec.Name, out)
		}
	}
	code, out, _ = sources(t, nil, "show", proofpoint.Name)
	var shown struct {
		Calls          string
		Types, Secrets []string
	}
	if err := yaml.Unmarshal([]byte(out), &shown); code != 0 || err != nil || len(shown.Types) != 4 ||
		shown.Calls != "IPv4-Addr: 5; Domain-Name: 3; StixFile, Artifact: 1" || shown.Secrets[0] != "PROOFPOINT_ET_INTELLIGENCE_API_KEY" {
		t.Errorf("exit %d, %v: %s", code, err, out)
	}
	if code, _, errs := sources(t, nil, "test", proofpoint.Name); code != exitUsage || !strings.Contains(errs, "written in Go") {
		t.Errorf("exit %d: %s", code, errs)
	}
}
