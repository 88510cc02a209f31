"""One tiny frame in each compressed transfer syntax: what a decoder must read before the node offers the syntax.

The frame is 32 rows by 32 columns, MONOCHROME2, unsigned, a slanted ramp: (row + column) * 64 in 12 bits stored, or
(row + column) * 4 in 8 bits. Each text below is one frame's code stream, zlib-compressed and written in base 64.
"""

from __future__ import annotations

RLE = (
    "eNrtjrkNAkEQBJvj2/9C2FQuJEIgNBKbaXCnDU7CwriV1qgaldQLgO3zHwt+egY72WJnu9jVbnZ3YSSKYYI2KbIlF0amGGZokyNb"
    "dmEUimGBNiWyFRdGpRhWaFMjW3VhNIphgzYtsjUXRqcYdmjTI1t3YQyK4YA2I7INF8ZKMVyhzTqxPV/f/ty5Y+7ct7lzfx4bjg3H"
    "hv/c8Ab7IZHf"
)
JPEG_LOSSLESS = (
    "eNr7f+P/EQYxBkZGRgZkwMbO8/8wAzcPgwKDAiODIMP/WwwcQBVsDAzn/zM4LAjQEOFiZWrEzWhoZGLhEFBwwEYtwC4MpjRwaQJS"
    "XLiNdGgatXDUwpFpIcP/mwCSZ5Zu"
)
JPEG_LS = (
    "eNr7f+P/dwZuHgYFBgVGRkGG/7cYOBgZGYBg/v379+OA6F7s3Zg70bejbkXejLgRfj3sWujVkCvBlz1Y2J8fX96e7q7O9uzYsrY0"
    "NzXWp0eXtqa6qrI8ObKkJYlJSYj9/bw9ZW8vT9eTMc+5uTlsrZRx2tnJaj4RG+2TDjazvr6uF7P1ekzhsdu522ZlLpuZOi0ytfmZ"
    "RGKbRGzp9UgQb2ooGAT2JPNHHDPsSbq2dW121LWtK72CpizV9Ap8BCKDtVbBwVwIpaQyyROIlJeAKZAJliDif33B//r/9duB+H+0"
    "PZDIjQcSZf1AotocSNROBhJ1R0FqEkDEepDCcJDCbJDCUpDCqu0ghcEghUtBagJAxHKQwmCQwkyQwhKwQrCJAv9vAgBunbvW"
)
JPEG_2000_LOSSLESS = (
    "eNr77/8/kEGTAQQUoBgGUPmM3IyM/4MYeEBMBlYWFgbG/zEMwg4JGRkFyOh/CoMqA6NzUWpiSWqKQlKlgn9Bap5XgKu7QllqUXFm"
    "fp6CkZ6pntH/CQxcYGMzgeZMPv6GhUPi+CdW+RMCLEksSYe/sbS/4eBlYtPltm0VO/iz2fFnM4OSFEds7gXm+rtBxnsP/GFSqGNk"
    "MFs4c13y4pT5tstMogXuxGQeqF1wQT7DIn758Y499XPXaDqy/6//fxMAO/JE1Q=="
)
HTJ2K_LOSSLESS = (
    "eNr77/8/kEHTgQEIFKAYBlD5jPyMjP8DGDgYmIAcrv9BDDxAFiMDKwuLA+P/GAZhhY4JSKCjo+N/CoM4A6N/QWqeV4CHQlhqkYKB"
    "npGZnrHe/wkMXGAjjzIw/p98gEHt9jdW9hKGAwzCDgzCDEo/mYEcCAkUAqKGCQ6fmJpKGCa0PGFYHAIUFA1gYI1w65Ew/LSqiKmU"
    "wU3KMOnJASfGN9uAcmItDIyZDXJQ8PxUVVVhUwWDnK0NGPz725NQ/c2w8c0uoFLdGQys+/a9/w1HP/9zVYFBQVMtQ93977Uw9L8i"
    "wYl9fyKH3N8WhepvAo1vNjP+vwkA/MJrcQ=="
)
JPEG_BASELINE = (
    "eNr7f+P/AwYBLzdPNwZGRgYGRiBk+H+bwRnIQwFMcJIJBpiZWZhBAMgCMlhAgImZlZWFhRXE/H+AgZuDQYFBgZFRkOH/EQZ5oOGs"
    "ELMYoIARqJGVjZ2Dk4sbqGCrAAMTI9A0FrAZQNlaoDwDiyCrkKKhI5twYCK7UqGIUePEhRzKThsPigZd/KBinFTUxMklJi4hKaWq"
    "pq6hqWViamZuYWnl7OLq5u7h6RUcEhoWHhEZlZySmpaekZlVXFJaVl5RWdXc0trW3tHZNWnylKnTps+YOWvR4iVLly1fsXLVps1b"
    "tm7bvmPnrkOHjxw9dvzEyVOXLl+5eu36jZu3Hj56/OTps+cvXr76+Onzl6/fvv/4+ev/LQYOkH/sGf6Z/5OuMfvP0F//pd7/4foL"
    "/G33efc/vv9X/vKP7C/MD7cfzv/x/T+D+5d/Un8ZfuR+uP3P9j/Dxb/2bfvn/2cgVqmDHbIVz/8zEK0WxTk//xOtFNU5/28CALSu"
    "7Pk="
)
JPEG_EXTENDED = (
    "eNr7f+P/AwYBLzdPNwZGRgYGRiBk+H+bwRnIQwFMcJIJBpiZWZhBAMgCMlhAgImZlZWFhRXE/H+QgZuHQYFBgZFRkOH/EQZRsPnI"
    "gJcPKCwtwMDIwowszM2gbu4WmlT8/xYDB0iLPUPvfwbpjjsJYeLSUU8XOTDkKRc2RsTkZk/rZGDc0XuMNbFw67ooFQa2R+YSoq3H"
    "ru3MWP6f4RicM4GwXs3/DB+xGoRDb1f9H4JuQNb6/yYAmVZkeA=="
)
JPEG_LS_NEAR = (
    "eNr7f+P/dwZuHgYFBgVGRkGG/7cYOBgZGZgYGGamloWnTr0eW3o1NDTU1+Syr0igq/z/+i2XeQ0OcxtsOq2xqUtjUqfKJE6FJjnn"
    "e9l3vlueLY66trEnWeKYQYvyxBPvnlnv3r17825ra+PNxsbGRpsNe06dWrVm1U2z27nbbuduls41u5WrNtvXZNWqpJVeU71Cvaas"
    "DOb6X/+/brv98+f/c9KBzNL9QCK7HkiEAHH9ShARDFKyHEjU+gOJqnggUQJSlglSFgRSsRREOIOUtYOU8YOUyYOU2YPEQJK/QcR7"
    "ELEfJvTh/00AebyV5g=="
)
JPEG_2000 = (
    "eNr77/8/kEGTAQQUoBgGUPmM3IyM/4MYeEBMBlYWFgaG/zEMyk7TFaZ9AMID/Qz9DH0P2gOAMKOAFQjdyy8DYdL/FAZVBkbnotTE"
    "ktQUhaRKBf+C1DyvAFd3hbLUouLM/DwFIz1TPaP/Exi4wNY8YGD8P/nwf1bGBo7O+wf/MxTUHzBgiKoHooP/GQXqDzTwMut1nEhT"
    "qOe2k3zKtFbr/oG6RQHyKzqUJJStppkr8oUwHFpfxKNbauvPXKfWe/TeZPagTKEvOXfnZ0YdqH1cIF9xwWxh4/nYRNGXjB5CToJP"
    "/jTPXRh0ULDi6daPP+ptl+l1pN1MubWAgcFV8Mn51oIpdjv9FP6ZyWw8IO/5gvmlWfzy40qHE6etq90j1GqsZcFqk8n0cdbqHuG4"
    "hXXiD/vnrtGMrLDuWGxiMCFk7fpLjzOLtixpOhQgIbag/v9NALUUhY0="
)
HTJ2K = (
    "eNr77/8/kEHTgQEIFKAYBlD5jPyMjP8DGDgYmIAc1f9BDDxAFiMDKwuLA8P/GAZlpf6SflcgFG+PAULb+lVAeCjDFAgrEqQSpPL3"
    "/09hEGdg9C9IzfMK8FAISy1SMNAzMtMz1vs/gYELbMVSBsb/kw8wqM3/x8pewnCAQbWBwWsBE5AJJg4w+DMwWrQ332do2sLA/p+R"
    "oW0LUGxdA2OcmWrsbc3Mv46qG7hmlzOETZ73wlP9L9BLy95mWTAcYLrYwLpMRYXT02nShBih2ElvpgdGSjEwPHxgINN2+EMto6pV"
    "ypS7hj2vGQ6wxjCEAZ3x8z/TlKWa3i+BzP8Vyet2vV63axbD/5sA9f5bJQ=="
)
