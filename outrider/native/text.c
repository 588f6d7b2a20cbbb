/* Text as JSON has it. */

#include "native.h"

/* How many bytes the character of several bytes has that begins at `p`; 0 if that is no UTF-8 (RFC 3629). */
size_t utf8(const byte *p, const byte *end) {
    static const struct {
        byte from, to, second_from, second_to, length;
    } forms[] = {
        {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3}, {0xE1, 0xEC, 0x80, 0xBF, 3},
        {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3}, {0xF0, 0xF0, 0x90, 0xBF, 4},
        {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (*p < forms[i].from || *p > forms[i].to)
            continue;
        size_t n = forms[i].length;
        if ((size_t)(end - p) < n || p[1] < forms[i].second_from || p[1] > forms[i].second_to)
            return 0;
        for (size_t j = 2; j < n; j++)
            if (p[j] < 0x80 || p[j] > 0xBF)
                return 0;
        return n;
    }
    return 0;
}

static byte *escaped(byte *out, byte c) {
    static const char hex[] = "0123456789abcdef";
    static const char letters[0x20] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    *out++ = '\\';
    if (c >= 0x20 || letters[c] != 0) {
        *out++ = c >= 0x20 ? c : (byte)letters[c];
        return out;
    }
    out = PUT(out, "u00");
    *out++ = (byte)hex[c >> 4];
    *out++ = (byte)hex[c & 15];
    return out;
}

/* Writes the text from `p` to `end` as the inside of a JSON string, six bytes for one at the most and up to seven more
   behind; returns where it ends, or NULL if the text is no UTF-8. */
byte *escape(byte *out, const byte *p, const byte *end) {
    while (p < end) {
        if (end - p >= 8) {
            size_t n = plain(p);
            memcpy(out, p, 8);
            p += n, out += n;
            if (n == 8)
                continue;
        }
        if (*p >= 0x80) {
            size_t n = utf8(p, end);
            if (n == 0)
                return NULL;
            memcpy(out, p, n);
            p += n, out += n;
        } else if (*p < 0x20 || *p == '"' || *p == '\\')
            out = escaped(out, *p++);
        else
            *out++ = *p++;
    }
    return out;
}

/* Writes the identity of the line at `at`, whose offset is below MAX_OFFSET. */
byte *identity(byte *out, struct span prefix, uint64_t at) {
    static const char hex[] = "0123456789abcdef";
    out = put(out, prefix);
    for (int shift = 36; shift >= 0; shift -= 4)
        *out++ = (byte)hex[at >> shift & 15];
    return out;
}
