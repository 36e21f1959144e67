package opencti

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/textproto"
)

// upload performs an operation that takes a file as its variable "file", by the
// GraphQL multipart request specification.
func (c *Client) upload(ctx context.Context, op operation, variables map[string]any, name, contentType string, content []byte, out any) error {
	variables["file"] = nil
	operations, err := json.Marshal(map[string]any{"query": op.document, "variables": variables})
	if err != nil {
		return fmt.Errorf("encoding %s: %w", op.name, err)
	}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part := func(header textproto.MIMEHeader, content []byte) {
		if w, e := form.CreatePart(header); e == nil {
			_, _ = w.Write(content) // a buffer takes everything
		}
	}
	field := func(name string) textproto.MIMEHeader {
		return textproto.MIMEHeader{"Content-Disposition": {fmt.Sprintf(`form-data; name=%q`, name)}}
	}
	part(field("operations"), operations)
	part(field("map"), []byte(`{"0":["variables.file"]}`))
	file := textproto.MIMEHeader{"Content-Disposition": {fmt.Sprintf(`form-data; name="0"; filename=%q`, name)}, "Content-Type": {contentType}}
	part(file, content)
	if err := form.Close(); err != nil {
		return fmt.Errorf("encoding %s: %w", op.name, err)
	}
	return c.post(ctx, op, form.FormDataContentType(), body.Bytes(), "", out)
}
