package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
	"github.com/enrichgate/enrichgate/enrich/opencti"
)

// What OpenCTI's catalogue knows of a connector. The files of __metadata__ that
// follow from the code are written by
//
//	go test ./cmd/enrichgate -run TestConfigMetadata -metadata
//
// The official repository's rules hold but for two: source_code and
// container_image name where this connector really is.

var writeMetadata = flag.Bool("metadata", false, "write the files of __metadata__ that follow from the code")

// manifest is connector_manifest.json; all 20 keys, and no others.
type manifest struct {
	Title             string   `json:"title"`
	Slug              string   `json:"slug"`
	Description       string   `json:"description"`
	ShortDescription  string   `json:"short_description"`
	Logo              string   `json:"logo"`
	UseCases          []string `json:"use_cases"`
	Verified          bool     `json:"verified"`
	LastVerified      *string  `json:"last_verified_date"`
	PlaybookSupported bool     `json:"playbook_supported"`
	MaxConfidence     int      `json:"max_confidence_level"`
	SupportVersion    string   `json:"support_version"`
	SubscriptionLink  *string  `json:"subscription_link"`
	SourceCode        string   `json:"source_code"`
	ManagerSupported  bool     `json:"manager_supported"`
	ContainerVersion  string   `json:"container_version"`
	ContainerImage    string   `json:"container_image"`
	ContainerType     string   `json:"container_type"`
	Categories        []string `json:"solution_categories"`
	License           string   `json:"license_type"`
	Contact           *string  `json:"contact"`
}

func metadata(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, "__metadata__", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// generated compares a file with what the code makes of it.
func generated(t *testing.T, name string, want []byte) {
	t.Helper()
	path := filepath.Join(root, "__metadata__", name)
	if *writeMetadata {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := metadata(t, name); !bytes.Equal(got, want) {
		t.Errorf("__metadata__/%s does not follow from the code any more: go test ./cmd/enrichgate -run TestConfigMetadata -metadata", name)
	}
}

func TestManifest(t *testing.T) {
	dec := json.NewDecoder(bytes.NewReader(metadata(t, "connector_manifest.json")))
	dec.DisallowUnknownFields()
	var m manifest
	if err := dec.Decode(&m); err != nil {
		t.Fatal(err)
	}
	var keys map[string]any
	if err := json.Unmarshal(metadata(t, "connector_manifest.json"), &keys); err != nil || len(keys) != 20 {
		t.Errorf("%d keys, not 20: %v", len(keys), err)
	}
	must := func(ok bool, what string) {
		t.Helper()
		if !ok {
			t.Error(what)
		}
	}
	must(m.Title != "" && m.Description != "" && m.ContainerImage != "" && m.ContainerVersion != "", "an empty text")
	must(m.Slug == opencti.Slug && regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`).MatchString(m.Slug), "slug")
	must(len(m.ShortDescription) <= 250 && m.ShortDescription != "", "short_description is 1 to 250 characters")
	must(len(m.UseCases) >= 1 && len(m.UseCases) <= 3, "1 to 3 use cases")
	must(len(m.Categories) >= 1 && len(m.Categories) <= 3, "1 to 3 solution categories")
	must(slices.Contains([]string{"Free", "Commercial"}, m.License), "license_type")
	must(!m.Verified && m.LastVerified == nil, "only the platform's maintainers verify")
	must(m.PlaybookSupported, "playbooks are supported")
	must(m.MaxConfidence >= 0 && m.MaxConfidence <= 100, "max_confidence_level")
	must(regexp.MustCompile(`^>=[0-9]+\.[0-9]+\.[0-9]+$`).MatchString(m.SupportVersion), "support_version")
	must(m.ContainerType == "INTERNAL_ENRICHMENT" && m.ManagerSupported, "type or manager")
	must(m.SourceCode == "https://"+module, "source_code is where the module is")
	must(m.Logo == "__metadata__/logo.png", "logo")
	if compose, err := os.ReadFile(filepath.Join(root, "docker-compose.yml")); err != nil || !strings.Contains(string(compose), "image: "+m.ContainerImage+":"+m.ContainerVersion) {
		t.Errorf("the compose file has another image: %v", err)
	}
}

// TestConfigMetadata holds the catalogue's files against the code.
func TestConfigMetadata(t *testing.T) {
	schema, err := settings.Schema(sourceSpecs())
	if err != nil {
		t.Fatal(err)
	}
	logo := drawLogo(t)
	path := filepath.Join(root, "__metadata__", "logo.png")
	if _, err := os.Stat(path); *writeMetadata || errors.Is(err, os.ErrNotExist) {
		if err := os.WriteFile(path, logo, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept := metadata(t, "logo.png")
	samePicture(t, logo, kept)
	generated(t, "CONNECTOR_CONFIG_DOC.md", configDoc(t, schema))
	generated(t, "catalog.json", catalogue(t, schema, kept))
}

// configDoc is the schema as a table.
func configDoc(t *testing.T, schema []byte) []byte {
	t.Helper()
	var s struct {
		Required []string
	}
	if err := json.Unmarshal(schema, &s); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	out.WriteString("# Settings of a managed connector\n\nMade from `connector_config_schema.json`; the README explains all settings, also those of `config.yml`.\n\n")
	out.WriteString("| Property | Type | Required | Possible values | Default | Description |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, p := range properties(t, schema) {
		required, values, def := "", "string", ""
		if slices.Contains(s.Required, p.name) {
			required = "yes"
		}
		switch {
		case p.Const != "":
			values = "`" + p.Const + "`"
		case len(p.Enum) > 0:
			values = "`" + strings.Join(p.Enum, "` `") + "`"
		case p.Format != "":
			values = p.Format
		case p.Type != "string":
			values = p.Type
		}
		if len(p.Default) > 0 {
			def = "`" + strings.Trim(string(p.Default), `"`) + "`"
		}
		fmt.Fprintf(&out, "| %s | `%s` | %s | %s | %s | %s |\n", p.name, p.Type, required, values, def, strings.ReplaceAll(p.Description, "|", `\|`))
	}
	return out.Bytes()
}

type schemaProperty struct {
	name              string
	Type, Description string
	Const, Format     string
	Enum              []string
	Default           json.RawMessage
}

// properties are the schema's, in its order.
func properties(t *testing.T, schema []byte) (all []schemaProperty) {
	t.Helper()
	var s struct{ Properties json.RawMessage }
	if err := json.Unmarshal(schema, &s); err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(s.Properties))
	if _, err := dec.Token(); err != nil {
		t.Fatal(err)
	}
	for dec.More() {
		name, err := dec.Token()
		p := schemaProperty{name: fmt.Sprint(name)}
		if err = errors.Join(err, dec.Decode(&p)); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// catalogue is the file that APP__CUSTOM_CATALOGS takes: one contract, which is
// the manifest with its schema and its logo.
func catalogue(t *testing.T, schema, logo []byte) []byte {
	t.Helper()
	var contract map[string]any
	if err := json.Unmarshal(metadata(t, "connector_manifest.json"), &contract); err != nil {
		t.Fatal(err)
	}
	contract["config_schema"] = json.RawMessage(schema)
	contract["logo"] = "data:image/png;base64," + base64.StdEncoding.EncodeToString(logo)
	b, err := json.MarshalIndent(map[string]any{
		"id": "enrichgate", "name": "enrichgate", "description": "The connector enrichgate, for the catalogue of managed connectors.",
		"version": contract["container_version"], "contracts": []any{contract},
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

func samePicture(t *testing.T, a, b []byte) {
	t.Helper()
	one, err := png.Decode(bytes.NewReader(a))
	if err != nil {
		t.Fatal(err)
	}
	two, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if one.Bounds() != two.Bounds() || one.Bounds().Dx() != 200 || one.Bounds().Dy() != 200 {
		t.Fatalf("the logo is %v, not 200 by 200", two.Bounds())
	}
	for y := range 200 {
		for x := range 200 {
			if one.At(x, y) != two.At(x, y) {
				t.Fatalf("the logo is not what draws it, at %d,%d", x, y)
			}
		}
	}
}
