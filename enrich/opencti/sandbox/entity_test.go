package sandbox_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/enrichgate/enrichgate/enrich/opencti/openctitest"
	"github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
)

// The ids are those that OpenCTI's own client computes.
func TestNewEntityIDs(t *testing.T) {
	for _, tt := range []struct{ typ, value, want string }{
		{"IPv4-Addr", "198.51.100.7", "ipv4-addr--12592121-be4c-5a93-a813-5a5af16e50db"},
		{"IPv6-Addr", "2001:db8::7", "ipv6-addr--9ed76cd5-ab3b-55a5-b6ec-b55c3efb0be2"},
		{"Domain-Name", "www.example.com", "domain-name--3b96539c-807f-59c9-b4df-fe1865757b1e"},
		{"Url", "https://www.example.com/path?q=1&r=<2>", "url--4655d0ab-0ecb-5766-940b-14f9d9dca4aa"},
	} {
		if e := sandbox.NewEntity(tt.typ, tt.value); e.ID != tt.want {
			t.Errorf("%s %s: %s, want %s", tt.typ, tt.value, e.ID, tt.want)
		}
	}
	for value, algorithm := range map[string]string{
		"d41d8cd98f00b204e9800998ecf8427e":                                 "MD5",
		"da39a3ee5e6b4b0d3255bfef95601890afd80709":                         "SHA-1",
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855": "SHA-256",
	} {
		if e := sandbox.NewEntity("StixFile", value); !strings.Contains(string(e.STIX), fmt.Sprintf(`"hashes":{%q:%q}`, algorithm, value)) {
			t.Errorf("%s: %s", algorithm, e.STIX)
		}
	}
}

func TestRead(t *testing.T) {
	const organization = "identity--ba48e2b8-94e6-5029-9d7e-9a834dda346d"
	c := newClient(t, sandbox.Options{})
	e := sandbox.NewEntity("IPv4-Addr", "198.51.100.7", "TLP:AMBER+STRICT", "PAP:AMBER")
	e.Organizations = []string{organization}
	c.p.AddEntity(e)
	const query = `query ReadForEnrichment($id: String!) { stixCoreObject(id: $id) {
		id standard_id entity_type parent_types
		createdBy { __typename ... on Identity { id standard_id entity_type identity_class name } }
		objectMarking { id standard_id definition_type definition x_opencti_order }
		objectLabel { id value color } objectOrganization { id standard_id name }
		externalReferences { edges { node { id standard_id source_name description url hash external_id } } }
		representative { main }
		toStix
		... on StixCyberObservable { observable_value x_opencti_score x_opencti_description }
		... on Indicator { confidence name pattern pattern_type }
		... on StixDomainObject { confidence } } }`
	got := c.do(query, map[string]any{"id": e.ID})["stixCoreObject"].(map[string]any)
	var stix struct {
		Refs       []string                  `json:"object_marking_refs"`
		Extensions map[string]map[string]any `json:"extensions"`
	}
	if err := json.Unmarshal([]byte(got["toStix"].(string)), &stix); err != nil {
		t.Fatal(err)
	}
	delete(got, "toStix")
	var names []string
	for _, m := range got["objectMarking"].([]any) {
		m := m.(map[string]any)
		names = append(names, fmt.Sprint(m["definition"], " ", m["standard_id"]))
	}
	// The ids of a fixed and of a computed marking.
	if want := "TLP:AMBER+STRICT marking-definition--826578e1-40ad-459f-bc73-ede076f81f37,PAP:AMBER marking-definition--a6f20d4d-0360-59b6-ba22-3b48707828b1"; strings.Join(names, ",") != want || len(stix.Refs) != 2 {
		t.Errorf("markings are %v and %v", names, stix.Refs)
	}
	if granted := stix.Extensions["extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba"]["granted_refs"]; fmt.Sprint(granted) != "["+organization+"]" {
		t.Errorf("granted to %v", granted)
	}
	if got["observable_value"] != "198.51.100.7" || got["x_opencti_score"] != 50.0 || got["createdBy"] != nil || got["entity_type"] != "IPv4-Addr" {
		t.Errorf("got %v", got)
	}
	if _, ok := got["confidence"]; ok {
		t.Error("an observable answers fields of domain objects")
	}
	if org := got["objectOrganization"].([]any)[0].(map[string]any); org["standard_id"] != organization {
		t.Errorf("organizations are %v", org)
	}
	// The internal id reads the same; hidden and removed entities are null.
	for _, step := range []struct {
		name string
		do   func()
		null bool
	}{
		{"internal id", func() {}, false},
		{"hidden", func() { e.Hidden = true; c.p.AddEntity(e) }, true},
		{"removed", func() { e.Hidden = false; c.p.AddEntity(e); c.p.RemoveEntity(e.ID) }, true},
	} {
		step.do()
		r := c.do(`query ($id: String!) { stixCoreObject(id: $id) { standard_id } }`, map[string]any{"id": got["id"]})
		if (r["stixCoreObject"] == nil) != step.null {
			t.Errorf("%s: %v", step.name, r)
		}
	}
	openctitest.NoProblems(t, c.p)
}
