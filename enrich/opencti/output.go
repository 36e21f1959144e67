package opencti

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/enrichgate/enrichgate/stixconv"
)

// OutputConfig says where results go beside the worker, or instead.
type OutputConfig struct {
	// NoQueue publishes nothing and reports nothing to works
	// (CONNECTOR_SEND_TO_QUEUE=false).
	NoQueue bool
	// Directory, if set, gets a file for each bundle.
	Directory string
	// DirectoryRetention is how long files stay there; zero keeps them.
	DirectoryRetention time.Duration
	// S3, if set, puts each bundle into an object store.
	S3 *S3Config
	// ValidateBeforeImport has an analyst look at the results first.
	ValidateBeforeImport bool
}

// copies puts the bundle where the operator wants it, once.
func (t *task) copies(ctx context.Context, b stixconv.Bundle) error {
	out := t.c.cfg.Output
	if t.record.Copied || out.Directory == "" && out.S3 == nil {
		return nil
	}
	now := time.Now()
	if out.Directory != "" {
		if err := t.toDirectory(b, now); err != nil {
			return err
		}
	}
	if out.S3 != nil {
		err := t.c.retry(ctx, func() error { return t.toS3(ctx, b, now) })
		if err != nil {
			return err
		}
	}
	t.record.Copied = true
	return t.c.journal.put(t.key, t.record)
}

// document is a bundle as the Python client writes it to files.
func (t *task) document(kind string, b stixconv.Bundle) ([]byte, error) {
	bundle, err := b.Encode()
	if err != nil {
		return nil, fmt.Errorf("encoding the bundle: %w", err)
	}
	cfg := t.c.cfg
	type registration struct {
		ID                   string `json:"id"`
		Name                 string `json:"name"`
		Type                 string `json:"type"`
		Scope                string `json:"scope"`
		Auto                 bool   `json:"auto"`
		ValidateBeforeImport bool   `json:"validate_before_import"`
	}
	return json.Marshal(struct {
		BundleType    string          `json:"bundle_type"`
		ApplicantID   string          `json:"applicant_id"`
		Connector     registration    `json:"connector"`
		EntitiesTypes []string        `json:"entities_types"`
		Bundle        json.RawMessage `json:"bundle"`
		Update        bool            `json:"update"`
	}{
		BundleType: kind, ApplicantID: t.applicant(), Bundle: bundle,
		Connector: registration{cfg.ID, cfg.Name, "INTERNAL_ENRICHMENT", strings.Join(cfg.Scope, ","), cfg.Auto, cfg.Output.ValidateBeforeImport},
	})
}

// fileName is <name>-<time>-<unix time>.json, as the Python client has it.
func (c *Connector) fileName(at time.Time) string {
	return fmt.Sprintf("%s-%s-%d.%06d.json", c.filePrefix(), at.UTC().Format("20060102-150405"), at.Unix(), at.Nanosecond()/1000)
}

// filePrefix keeps separators out, which a name may hold and a path must not.
func (c *Connector) filePrefix() string {
	return strings.NewReplacer(" ", "_", "/", "_", string(os.PathSeparator), "_").Replace(strings.ToLower(c.cfg.Name))
}

// toDirectory writes the bundle so that whoever watches the directory never
// sees half of it, and drops what is too old.
func (t *task) toDirectory(b stixconv.Bundle, at time.Time) error {
	content, err := t.document("DIRECTORY_BUNDLE", b)
	if err != nil {
		return err
	}
	dir := t.c.cfg.Output.Directory
	path := filepath.Join(dir, t.c.fileName(at))
	if err := os.WriteFile(path+".tmp", content, 0o600); err != nil {
		return fmt.Errorf("CONNECTOR_SEND_TO_DIRECTORY_PATH: %w", err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return fmt.Errorf("CONNECTOR_SEND_TO_DIRECTORY_PATH: %w", err)
	}
	if err := t.c.sweepDirectory(at); err != nil {
		t.c.log.Warn("old files could not be dropped", "error", err)
	}
	return nil
}

// sweepDirectory drops our own old files. The Python client drops every *.json,
// those of others too.
func (c *Connector) sweepDirectory(now time.Time) error {
	keep := c.cfg.Output.DirectoryRetention
	if keep <= 0 {
		return nil
	}
	entries, err := os.ReadDir(c.cfg.Output.Directory)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), c.filePrefix()+"-") || filepath.Ext(e.Name()) != ".json" {
			continue
		}
		info, err := e.Info()
		if err != nil || now.Sub(info.ModTime()) <= keep {
			continue // gone already, or young
		}
		if err := os.Remove(filepath.Join(c.cfg.Output.Directory, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
