package stixconv

import (
	"errors"
	"strings"
)

// describe gives an indicator the STIX pattern of the observable that it is of,
// and the id that follows from it. The pattern is never the source's own text:
// what a provider sends must not become part of a query.
func (w *web) describe(k *keyed) (err error) {
	var of Thing
	if k.thing.Of == EntityKey {
		of = Thing{Type: w.kind, Value: text(w.entity, "value"), Hashes: w.hashes}
	} else if known := w.byKey[k.thing.Of]; known != nil {
		of = known.thing
	} else {
		return errors.New("it is of no object that was made")
	}
	k.about = mainObservable(of.Type)
	if of.Type == "artifact" {
		of.Type = "file" // what is to be found again is the file
	}
	if k.pattern, err = patternOf(&of); err != nil {
		return err
	}
	k.id = IndicatorID(k.pattern)
	if k.thing.Name = clean(k.thing.Name); k.thing.Name == "" {
		k.thing.Name = of.name()
	}
	return nil
}

// patternOf is the comparison that finds an observable.
func patternOf(t *Thing) (string, error) {
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace
	switch t.Type {
	case "ipv4-addr", "ipv6-addr", "domain-name", "hostname", "url", "email-addr":
		if t.Value != "" {
			return "[" + t.Type + ":value = '" + quote(t.Value) + "']", nil
		}
	case "file":
		for _, algorithm := range [...]string{"SHA-256", "SHA-1", "MD5", "SHA-512"} {
			if hash := t.Hashes[algorithm]; hash != "" {
				return "[file:hashes.'" + algorithm + "' = '" + quote(hash) + "']", nil
			}
		}
	}
	return "", errors.New("no pattern for a " + t.Type)
}

// mainObservable is OpenCTI's name of an observable's type.
func mainObservable(kind string) string {
	switch kind {
	case "ipv4-addr":
		return "IPv4-Addr"
	case "ipv6-addr":
		return "IPv6-Addr"
	case "domain-name":
		return "Domain-Name"
	case "email-addr":
		return "Email-Addr"
	case "file":
		return "StixFile"
	case "artifact":
		return "Artifact"
	case "url":
		return "Url"
	}
	return "Hostname"
}

// addIndicator makes the object of an indicator that was described.
func (w *web) addIndicator(k *keyed, date any) {
	if _, there := w.seen[k.id]; there {
		return
	}
	o := w.domainObject("indicator", k.id, date)
	o["name"], o["pattern"], o["pattern_type"] = k.thing.Name, k.pattern, "stix"
	o["x_opencti_main_observable_type"] = k.about
	from := timestamp(k.thing.ValidFrom)
	if from == "" {
		from, _ = date.(string)
	}
	o["valid_from"] = from
	// STIX wants the end after the start; both are in the one format that sorts as text.
	if until := timestamp(k.thing.ValidUntil); until > from {
		o["valid_until"] = until
	}
	setList(o, "indicator_types", cleanList(k.thing.Kinds))
	k.thing.fillCommon(o)
	w.emit(k.id, o)
	w.counts.Things++
}
