/* RTP headers (RFC 3550, 5.1) and header extensions in the one-byte form (RFC 8285, 4.2). */
#include "plane.h"

static uint16_t read16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t read32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

bool rtp_fixed(const uint8_t *data, size_t length, size_t *header)
{
    size_t size = 12 + 4 * (size_t)(data[0] & 15);
    if (length < size)
        return false;
    if (data[0] & 0x10) {
        if (length < size + 4)
            return false;
        size += 4 + 4 * (size_t)read16(data + size + 2);
    }
    *header = size;
    return size <= length;
}

static void read_element(const fw_extensions *numbers, uint8_t id, const uint8_t *value, uint8_t length,
                         struct header *out)
{
    if (id == numbers->mid) {
        out->mid = value;
        out->mid_length = length;
    } else if (id == numbers->rid) {
        out->rid = value;
        out->rid_length = length;
    } else if (id == numbers->repaired_rid) {
        out->repaired = value;
        out->repaired_length = length;
    } else if (id == numbers->level) {
        out->level = value[0];
    } else if (id == numbers->orientation) {
        out->orientation = value[0];
    } else if (id == numbers->transport_seq && length >= 2) {
        out->transport_seq = read16(value);
    }
}

static bool read_elements(const uint8_t *p, const uint8_t *end, const fw_extensions *numbers, struct header *out)
{
    while (p < end) {
        uint8_t id = *p >> 4, length = (uint8_t)((*p & 15) + 1);
        if (id == 15 || (id == 0 && length > 1)) /* reserved: what follows cannot be understood */
            return true;
        if (id == 0) { /* padding */
            p++;
            continue;
        }
        if (end - p - 1 < length)
            return false;
        read_element(numbers, id, p + 1, length, out);
        p += 1 + length;
    }
    return true;
}

/* `header` is what rtp_fixed found: all of it is there. */
bool rtp_parse(const uint8_t *data, size_t header, const fw_extensions *numbers, struct header *out)
{
    *out = (struct header){
        .ssrc = read32(data + 8),
        .ts = read32(data + 4),
        .seq = read16(data + 2),
        .payload_type = data[1] & 0x7f,
        .marker = data[1] >> 7,
        .padded = (data[0] & 0x20) != 0,
        .size = header,
        .level = -1,
        .orientation = -1,
        .transport_seq = -1,
    };
    size_t block = 12 + 4 * (size_t)(data[0] & 15);
    if (!(data[0] & 0x10) || read16(data + block) != 0xbede)
        return true;
    return read_elements(data + block + 4, data + header, numbers, out);
}
