package source

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"path"
)

// Golden is the outcome's STIX as golden files have it, nil for none.
func (o Outcome) Golden() []byte {
	var pretty bytes.Buffer
	if o.STIX == nil || json.Indent(&pretty, o.STIX, "", "  ") != nil {
		return nil
	}
	pretty.WriteByte('\n')
	return pretty.Bytes()
}

// StaleGoldens names the fixtures whose golden files are there and differ.
func StaleGoldens(fsys fs.FS, dir string, outcomes []Outcome) (stale []string) {
	for _, o := range outcomes {
		want, err := fs.ReadFile(fsys, path.Join(dir, "golden", o.Fixture+".json"))
		if err == nil && !bytes.Equal(want, o.Golden()) {
			stale = append(stale, o.Fixture)
		}
	}
	return stale
}
