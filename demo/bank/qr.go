package bank

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// square is a QR code as one path of an SVG picture, in modules, with the quiet zone around it.
type square struct {
	Size int
	Path string
}

// drawQR draws a text for a phone's camera. The lowest correction is enough for a screen and makes the modules as large as they can be.
func drawQR(text string) square {
	const quiet = 4
	code, err := qr.Encode(text, qr.L)
	if err != nil || text == "" {
		return square{}
	}
	var p strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			run := 0
			for code.Black(x+run, y) {
				run++
			}
			if run > 0 {
				fmt.Fprintf(&p, "M%d %dh%dv1h-%dz", x+quiet, y+quiet, run, run)
				x += run
			}
		}
	}
	return square{code.Size + 2*quiet, p.String()}
}
