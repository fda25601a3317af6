/* What must be understood of a payload: does a key frame start here, and where VP8 numbers its pictures. */
#include "plane.h"

static bool vp8_key(const uint8_t *p, size_t length)
{
    size_t at = 1;
    if (length < 1 || !(p[0] & 0x10) || (p[0] & 0x07)) /* S: start of a partition; PID: the first one */
        return false;
    if (p[0] & 0x80) {
        if (length < 2)
            return false;
        at = 2;
        if (p[1] & 0x80)
            at += length > 2 && (p[2] & 0x80) ? 2 : 1;
        at += (size_t)((p[1] >> 6) & 1);
        at += (p[1] & 0x30) != 0;
    }
    return at < length && !(p[at] & 1); /* P of the frame header, 0: key frame */
}

static bool h264_type_is_key(uint8_t octet)
{
    return (octet & 0x1f) == 5 || (octet & 0x1f) == 7; /* IDR picture, sequence parameters */
}

static bool h264_key(const uint8_t *p, size_t length)
{
    uint8_t type = length > 0 ? p[0] & 0x1f : 0;
    if (type == 28) /* FU-A: the first fragment of an IDR picture */
        return length > 1 && (p[1] & 0x80) && (p[1] & 0x1f) == 5;
    if (type != 24)
        return length > 0 && h264_type_is_key(p[0]);
    for (size_t at = 1; at + 2 < length;) { /* STAP-A */
        if (h264_type_is_key(p[at + 2]))
            return true;
        at += 2 + (size_t)(p[at] << 8 | p[at + 1]);
    }
    return false;
}

static bool vp9_key(const uint8_t *p, size_t length)
{
    if (length < 1 || (p[0] & 0x40) || !(p[0] & 0x08)) /* P: predicted; B: start of a frame */
        return false;
    if (!(p[0] & 0x20)) /* L: no layers */
        return true;
    size_t at = 1;
    if (p[0] & 0x80)
        at += length > 1 && (p[1] & 0x80) ? 2 : 1;
    return at < length && ((p[at] >> 1) & 7) == 0; /* spatial layer */
}

bool starts_keyframe(int codec, const uint8_t *payload, size_t length)
{
    switch (codec) {
    case VP8:
        return vp8_key(payload, length);
    case H264:
        return h264_key(payload, length);
    case VP9:
        return vp9_key(payload, length);
    case AV1:
        return length > 0 && (payload[0] & 0x08); /* N: a new coded video sequence */
    default:
        return true; /* audio may begin anywhere */
    }
}

/* RFC 7741, 4.2. A descriptor that does not end within the payload is passed on as it is. */
void picture_find(const uint8_t *p, size_t length, struct picture *picture)
{
    *picture = (struct picture){0};
    if (length < 3 || !(p[0] & 0x80))
        return;
    uint8_t at = 2;
    if (p[1] & 0x80) {
        uint8_t bytes = p[2] & 0x80 ? 2 : 1;
        if ((size_t)at + bytes > length)
            return;
        picture->id_at = at;
        picture->id_bytes = bytes;
        picture->id = bytes == 2 ? (uint16_t)((p[2] & 0x7f) << 8 | p[3]) : p[2];
        at = (uint8_t)(at + bytes);
    }
    if ((p[1] & 0x40) && at < length) {
        picture->tl0_at = at;
        picture->tl0 = p[at];
    }
}

void picture_write(uint8_t *p, const struct picture *picture, uint16_t id, uint8_t tl0)
{
    if (picture->id_bytes == 2) {
        p[picture->id_at] = (uint8_t)(0x80 | (id >> 8));
        p[picture->id_at + 1] = (uint8_t)id;
    } else if (picture->id_bytes == 1) {
        p[picture->id_at] = id & 0x7f;
    }
    if (picture->tl0_at)
        p[picture->tl0_at] = tl0;
}
