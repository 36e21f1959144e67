package stixconv

import (
	"fmt"
	"math"
	"regexp"
	"strings"
)

func nan() float64 { return math.NaN() }

// checkObject holds an object that we made against the rules of STIX 2.1 that
// importers rely on: required properties, ids and timestamps.
func checkObject(o Object) (problems []string) {
	kind := text(o, "type")
	complain := func(format string, args ...any) {
		problems = append(problems, kind+" "+text(o, "id")+": "+fmt.Sprintf(format, args...))
	}
	id := regexp.MustCompile(`^[a-z0-9-]+--[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	stamp := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)
	required := map[string][]string{
		"identity":           {"created", "modified", "name", "identity_class"},
		"location":           {"created", "modified", "name", "country", "x_opencti_location_type", "created_by_ref"},
		"relationship":       {"created", "modified", "relationship_type", "source_ref", "target_ref", "created_by_ref"},
		"note":               {"created", "modified", "content", "object_refs", "created_by_ref"},
		"marking-definition": {"created", "definition_type", "definition"},
		"ipv4-addr":          {"value"}, "ipv6-addr": {"value"}, "domain-name": {"value"}, "url": {"value"},
		"autonomous-system": {"number", "name"},
		"file":              {"hashes"},
	}
	if text(o, "spec_version") != "2.1" {
		complain("no spec_version")
	}
	if !id.MatchString(text(o, "id")) || !strings.HasPrefix(text(o, "id"), kind+"--") {
		complain("bad id")
	}
	if _, known := required[kind]; !known {
		complain("unexpected type")
	}
	for _, key := range required[kind] {
		if o[key] == nil || o[key] == "" {
			complain("no %s", key)
		}
	}
	for key, value := range o {
		s, isText := value.(string)
		switch {
		case value == nil:
			complain("%s is null", key)
		case key == "created" || key == "modified" || key == "start_time":
			if !stamp.MatchString(s) {
				complain("%s is no timestamp: %v", key, value)
			}
		case strings.HasSuffix(key, "_ref"):
			if !isText || !id.MatchString(s) {
				complain("%s is no id: %v", key, value)
			}
		case strings.HasSuffix(key, "_refs"):
			refs, _ := list(value)
			if len(refs) == 0 {
				complain("%s is empty", key)
			}
		case key == "stop_time" || key == "confidence" || kind == "relationship" && key == "description":
			complain("%s is not for us to say", key)
		}
	}
	if kind == "location" && o["x_opencti_location_type"] == "Country" && (o["city"] != nil || o["latitude"] != nil) {
		complain("a country with a city or position")
	}
	return problems
}

// checkMade checks all objects of a bundle but those that came in, and that
// each refers only to what is there.
func checkMade(b Bundle, foreign ...string) (problems []string) {
	there := map[string]bool{}
	for _, o := range b.Objects {
		if there[text(o, "id")] {
			problems = append(problems, "twice: "+text(o, "id"))
		}
		there[text(o, "id")] = true
	}
	isForeign := map[string]bool{}
	for _, id := range foreign {
		isForeign[id] = true
	}
	for _, o := range b.Objects {
		if isForeign[text(o, "id")] {
			continue
		}
		problems = append(problems, checkObject(o)...)
		for key, value := range o {
			refs, _ := list(value)
			if strings.HasSuffix(key, "_ref") {
				refs = []any{value}
			} else if !strings.HasSuffix(key, "_refs") || key == "x_opencti_granted_refs" {
				continue
			}
			for _, ref := range refs {
				if !there[ref.(string)] {
					problems = append(problems, fmt.Sprintf("%s of %v leads nowhere: %v", key, o["id"], ref))
				}
			}
		}
	}
	return problems
}
