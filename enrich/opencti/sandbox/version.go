package sandbox

import (
	"regexp"
	"slices"
	"strconv"
)

// DefaultVersion is the platform version that is played when Options names none.
const DefaultVersion = "7.260817.0"

// release is a platform version as three numbers: 6.9.28 or 7.260817.0.
// An LTS suffix is ignored.
type release [3]int

// newest stands for a version that cannot be read, such as a development build.
var newest = release{1 << 30}

var versionPattern = regexp.MustCompile(`^v?(\d+)\.(\d+)(?:\.(\d+))?`)

func parseRelease(s string) release {
	m := versionPattern.FindStringSubmatch(s)
	if m == nil {
		return newest
	}
	var r release
	for i := range r {
		r[i], _ = strconv.Atoi(m[i+1])
	}
	return r
}

func (r release) atLeast(since string) bool {
	s := parseRelease(since)
	return slices.Compare(r[:], s[:]) >= 0
}

// A Gate is a part of the schema that older platforms lack. Using it there fails
// the whole request.
type Gate struct {
	// Type and Field name a field of an output type or of an input type.
	Type, Field string
	// Arg, when set, names an argument of that field; the field itself is older.
	Arg string
	// Since is the first version that has it.
	Since string
}

var gates = []Gate{
	{Type: "Connector", Field: "jwks", Since: "7.260224.0"},
	{Type: "Connector", Field: "connector_priority_group", Since: "6.8.9"},
	{Type: "ConnectorConfig", Field: "s3", Since: "6.9.10"},
	{Type: "ConnectorConfig", Field: "dead_letter_routing", Since: "6.8.7"},
	{Type: "ConnectorConfig", Field: "listen_callback_uri", Since: "6.5.7"},
	{Type: "RegisterConnectorInput", Field: "auto_update", Since: "6.8.9"},
	{Type: "RegisterConnectorInput", Field: "enrichment_resolution", Since: "6.8.9"},
	{Type: "RegisterConnectorInput", Field: "listen_callback_uri", Since: "6.5.7"},
	{Type: "RegisterConnectorInput", Field: "xtm_one_intent", Since: "7.260527.0"},
	{Type: "RegisterConnectorInput", Field: "version", Since: "7.261008.0"},
	{Type: "RegisterConnectorInput", Field: "slug", Since: "7.261008.0"},
	{Type: "Query", Field: "isWorkAlive", Since: "6.8.7"},
	{Type: "Mutation", Field: "stixBundlePush", Since: "6.2.6"},
	{Type: "Mutation", Field: "stixBundlePush", Arg: "work_id", Since: "6.5.7"},
	{Type: "Mutation", Field: "workAdd", Arg: "isMultiPartWork", Since: "7.260422.0"},
	{Type: "Mutation", Field: "pingConnector", Arg: "connectorInfo", Since: "6.2.12"},
	{Type: "Mutation", Field: "connectorJWT", Since: "7.260224.0"},
	{Type: "Mutation", Field: "draftWorkspaceAdd", Since: "6.4.0"},
	{Type: "WorkEditMutations", Field: "addDraftContext", Since: "6.5.0"},
}

// Missing lists what a platform of that version lacks, compared with DefaultVersion.
// For a version that cannot be read it is empty.
func Missing(version string) []Gate {
	r := parseRelease(version)
	return slices.DeleteFunc(slices.Clone(gates), func(g Gate) bool { return r.atLeast(g.Since) })
}

// lacks says whether the platform does not know that field (or argument of it).
func (p *Platform) lacks(typ, field, arg string) bool {
	return slices.ContainsFunc(p.missing, func(g Gate) bool {
		return g.Type == typ && g.Field == field && g.Arg == arg
	})
}
