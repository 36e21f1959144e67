package main

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"testing"
)

// The logo: a gate of five bars, the middle one open, and the one coin that is
// let through. Drawn from shapes, so that there is nothing to licence.

type shape struct {
	ink    color.NRGBA
	inside func(x, y float64) bool
}

// rounded is a rectangle with round corners.
func rounded(x0, y0, x1, y1, r float64) func(x, y float64) bool {
	return func(x, y float64) bool {
		dx := math.Max(math.Max(x0+r-x, x-(x1-r)), 0)
		dy := math.Max(math.Max(y0+r-y, y-(y1-r)), 0)
		return x >= x0 && x <= x1 && y >= y0 && y <= y1 && dx*dx+dy*dy <= r*r
	}
}

func circle(cx, cy, r float64) func(x, y float64) bool {
	return func(x, y float64) bool { return (x-cx)*(x-cx)+(y-cy)*(y-cy) <= r*r }
}

func logoShapes() []shape {
	ground, bar, coin, rim := color.NRGBA{16, 42, 67, 255}, color.NRGBA{217, 226, 236, 255}, color.NRGBA{247, 201, 72, 255}, color.NRGBA{203, 110, 23, 255}
	shapes := []shape{
		{ground, rounded(0, 0, 200, 200, 36)},
		{bar, rounded(28, 40, 172, 54, 7)}, // the lintel
		{bar, rounded(28, 146, 84, 160, 7)},
		{bar, rounded(116, 146, 172, 160, 7)},
	}
	for _, x := range []float64{36, 64, 122, 150} {
		shapes = append(shapes, shape{bar, rounded(x, 40, x+14, 160, 7)})
	}
	return append(shapes, shape{rim, circle(100, 104, 21)}, shape{coin, circle(100, 104, 17)}, shape{rim, rounded(96, 94, 104, 114, 3)})
}

// drawLogo paints each pixel from 16 samples.
func drawLogo(t *testing.T) []byte {
	t.Helper()
	const size, fine = 200, 4
	picture := image.NewNRGBA(image.Rect(0, 0, size, size))
	shapes := logoShapes()
	for y := range size {
		for x := range size {
			var r, g, b, a int
			for s := range fine * fine {
				px, py := float64(x)+(float64(s%fine)+0.5)/fine, float64(y)+(float64(s/fine)+0.5)/fine
				for i := len(shapes) - 1; i >= 0; i-- {
					if shapes[i].inside(px, py) {
						c := shapes[i].ink
						r, g, b, a = r+int(c.R), g+int(c.G), b+int(c.B), a+1
						break
					}
				}
			}
			if a > 0 {
				picture.SetNRGBA(x, y, color.NRGBA{uint8(r / a), uint8(g / a), uint8(b / a), uint8(a * 255 / (fine * fine))})
			}
		}
	}
	var out bytes.Buffer
	if err := png.Encode(&out, picture); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
