package sandbox

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// The operations by which results are put before an analyst.
const (
	OpUpload   = "uploadPending"
	OpDraftAdd = "draftWorkspaceAdd"
)

// Upload is one file that was put into a workbench.
type Upload struct {
	Name, EntityID string
	Markings       []string
	Content        []byte
}

// readRequest reads a JSON body, or one of the GraphQL multipart request
// specification, whose file takes the place of the variable "file".
func readRequest(contentType string, body io.Reader) (req request, err error) {
	kind, parameters, _ := mime.ParseMediaType(contentType)
	if kind != "multipart/form-data" {
		err = json.NewDecoder(body).Decode(&req)
		return req, err
	}
	form, err := multipart.NewReader(body, parameters["boundary"]).ReadForm(maxBody)
	if err != nil {
		return req, err
	}
	if ops, where := form.Value["operations"], form.Value["map"]; len(ops) != 1 || len(where) != 1 || where[0] != `{"0":["variables.file"]}` || len(form.File["0"]) != 1 {
		return req, fmt.Errorf("multipart request with %v and %v", ops, where)
	}
	if err := json.Unmarshal([]byte(form.Value["operations"][0]), &req); err != nil {
		return req, err
	}
	f, err := form.File["0"][0].Open()
	if err != nil {
		return req, err
	}
	defer f.Close()
	req.file.Name = form.File["0"][0].Filename
	req.file.Content, err = io.ReadAll(f)
	req.Variables["file"] = req.file.Name
	return req, err
}

func (p *Platform) upload(req *request, f *field) (any, *gqlError) {
	if !strings.HasSuffix(req.file.Name, ".json") || !json.Valid(req.file.Content) {
		return nil, functional("", "The file is not a bundle")
	}
	u := req.file
	u.EntityID = f.str("entityId")
	markings, _ := f.args["file_markings"].([]any)
	for _, m := range markings {
		u.Markings = append(u.Markings, fmt.Sprint(m))
	}
	p.update(func() { p.uploads = append(p.uploads, u) })
	return project(obj("File", map[string]any{"id": "import/pending/" + u.Name, "name": u.Name}), f.sel), nil
}

func (p *Platform) addDraft(_ *request, f *field) (any, *gqlError) {
	input, _ := f.args["input"].(map[string]any)
	if name, _ := input["name"].(string); name == "" {
		return nil, badInput("Field \"name\" of required type \"String!\" was not provided.")
	}
	id := uuid.NewString()
	p.update(func() { p.draftOrder = append(p.draftOrder, id) })
	return project(obj("DraftWorkspace", map[string]any{"id": id}), f.sel), nil
}

// Uploads returns the files that were put into workbenches, oldest first.
func (p *Platform) Uploads() []Upload {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.uploads)
}

// Drafts returns the ids of the drafts that the connector made, oldest first.
func (p *Platform) Drafts() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.draftOrder)
}

// badRequest answers what is no GraphQL at all.
func badRequest(w http.ResponseWriter) {
	_ = write(w, failed(http.StatusBadRequest, &gqlError{
		message: "POST body missing, invalid Content-Type, or JSON object has no keys.", code: "BAD_REQUEST",
	}))
}
