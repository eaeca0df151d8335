"""Drawing: pictures as SVG, drawn on the server and coloured by the style sheet."""
