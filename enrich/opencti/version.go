package opencti

import (
	"strconv"
	"strings"
)

// version is a platform's version: semantic in 6.x (6.9.28), by date in 7.x
// (7.260817.0), with a suffix on long-term releases (7.260309.0-lts.2).
type version [3]int

// parseVersion is lenient. What it cannot read counts as a version newer than
// all, because the newest platforms are the likeliest to surprise us.
func parseVersion(s string) version {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "-")
	v := version{1 << 30, 0, 0}
	for i, part := range strings.SplitN(s, ".", 3) {
		n, err := strconv.Atoi(part)
		if err != nil {
			return version{1 << 30, 0, 0}
		}
		v[i] = n
	}
	return v
}

func (v version) atLeast(major, minor, patch int) bool {
	for i, want := range [3]int{major, minor, patch} {
		if v[i] != want {
			return v[i] > want
		}
	}
	return true
}

// hasConnectorInfo: the ping says how the connector does.
func (v version) hasConnectorInfo() bool { return v.atLeast(6, 2, 12) }

// showsBuild: a connector says which version of what it is. The Python client
// does since this release.
func (v version) showsBuild() bool { return v.atLeast(7, 261008, 0) }

// draftByDefault: validation before import happens in a draft, not in a workbench.
func (v version) draftByDefault() bool { return v.atLeast(7, 260728, 0) }
