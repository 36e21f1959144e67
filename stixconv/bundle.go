package stixconv

import "github.com/google/uuid"

// Bundle is a STIX bundle, or one message of a split one.
type Bundle struct {
	// ID is kept as the platform gave it, with or without the prefix "bundle--".
	ID      string
	Objects []Object
	// Seq is OpenCTI's x_opencti_seq: how many objects the message's object
	// stands on, itself included. Zero, for a bundle that is not a message,
	// leaves it out.
	Seq int64
	// EventVersion is OpenCTI's x_opencti_event_version; empty leaves it out.
	EventVersion string
}

// Encode gives the bundle's JSON. Keys are in a fixed order, so equal bundles
// give equal bytes.
func (b Bundle) Encode() ([]byte, error) {
	out := make([]byte, 0, 256+512*len(b.Objects))
	out = appendString(append(out, `{"type":"bundle","id":`...), b.ID)
	out = append(out, `,"spec_version":"2.1"`...)
	if b.Seq != 0 {
		out = appendInt(append(out, `,"x_opencti_seq":`...), b.Seq)
	}
	out = append(out, `,"objects":[`...)
	for i, object := range b.Objects {
		if i > 0 {
			out = append(out, ',')
		}
		var err error
		if out, err = appendJSON(out, map[string]any(object)); err != nil {
			return nil, err
		}
	}
	out = append(out, ']')
	if b.EventVersion != "" {
		out = appendString(append(out, `,"x_opencti_event_version":`...), b.EventVersion)
	}
	return append(out, '}'), nil
}

// bundleID names a bundle that came without an id. It is made of the objects'
// ids, not drawn at random, so that the same input gives the same bytes.
func bundleID(objects []Object) string {
	var ids []byte
	for _, object := range objects {
		ids = append(append(ids, text(object, "id")...), '\n')
	}
	return "bundle--" + uuid.NewSHA1(namespace(), ids).String()
}

// text is a string member, "" when it is missing or no string.
func text(o map[string]any, key string) string {
	s, _ := o[key].(string)
	return s
}
