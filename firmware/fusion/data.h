/* What an image with fusion brings: generated, one file for a student, its filter and a set of anchors. */
#ifndef TL_FUSION_DATA_H
#define TL_FUSION_DATA_H

#include "fusion/fusion.h"

extern const tl_student_t tl_fusion_student;
extern const tl_fusion_settings_t tl_fusion_settings;
extern const uint8_t tl_fusion_anchor_count;
extern const tl_point_t tl_fusion_anchors[];

#endif
