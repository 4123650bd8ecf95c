/* Two places in flash for the constants of a model, each with a header. A cut of the power at any operation leaves the
 * model that was in use, or the new one, whole. docs/concepts/update.md has the layout. */
#ifndef TL_SLOTS_H
#define TL_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "hash/sha256.h"

#define TL_SLOT_MAGIC 0x31534C54u /* "TLS1" */
#define TL_SLOT_SIGNED 64u        /* bytes of the header that the tag is of */
#define TL_SLOT_RECORDS 96u       /* where the commit records begin: 4 of one unit */
#define TL_SLOT_RECORD_COUNT 4u
#define TL_SLOT_HEADER 128u /* then the constants */
#define TL_SLOT_NONE 2u

/* The header as the host sends it, little-endian. */
typedef struct {
    uint32_t magic, length; /* of the constants, bytes */
    uint8_t program[8], model[8];
    uint32_t version, reserved;
    uint8_t digest[TL_DIGEST]; /* SHA-256 of the constants */
    uint8_t tag[TL_DIGEST];    /* HMAC-SHA-256 of what stands before `tag` */
} tl_slot_header_t;

typedef struct {
    uint8_t model[8];
    uint32_t version;
    uint32_t sequence; /* of the last commit; the larger one is in use */
    uint8_t records;   /* commit records that are used up */
    bool whole;        /* header, tag and constants are good, and it was committed; else model and version are 0 */
} tl_slot_t;

/* The key of the build, and the program that the image is. */
extern const uint8_t tl_update_key[TL_DIGEST];
extern const uint8_t tl_program_id[8];

/* Where a slot begins. */
uintptr_t tl_slot_address(uint32_t slot);

/* Whether a header is of this program, fits a slot and has a good tag. */
bool tl_slot_header_good(const tl_slot_header_t *header);

/* Read what is in a slot. */
void tl_slot_look(uint32_t slot, tl_slot_t *found);

/* Note that a slot holds what a header says. */
void tl_slot_is_whole(tl_slot_t *slot, const tl_slot_header_t *header);

/* The slot to run: the whole one that was committed last, TL_SLOT_NONE when none is whole. */
uint32_t tl_slots_newest(const tl_slot_t slots[2]);

/* SHA-256 of `length` bytes of constants as they are in the flash. False when they cannot be read. */
bool tl_slot_digest(uint32_t slot, uint32_t length, uint8_t digest[TL_DIGEST]);

/* Write the next commit record: one unit, the last operation of an update and the only one of a rollback. False when
 * none is free or the part reports an error. */
bool tl_slot_commit(uint32_t slot, uint32_t sequence);

#endif
