"""What the fast and the small forms of layers take, by core and level of the compiler.

Measured and written by tests/bench/form_costs.py. FUNCTIONS: bytes of the functions of a kernel; one name is
in an image once. CYCLES: of typical layers, a product (of SOFTMAX: a value). Both are estimates for others,
see forms.py."""

from collections.abc import Mapping

from tinyloc.boards import Core

FUNCTIONS: Mapping[Core, Mapping[str, Mapping[str, Mapping[str, int]]]] = {
    "cortex-m4f": {
        "O2": {
            "conv_blocks_s8": {
                "tl_block_outputs_s8": 1006,
                "tl_conv_blocks_s8": 1764,
            },
            "conv_s8": {
                "tl_conv_s8": 524,
                "tl_depthwise_twice": 122,
            },
            "conv_parts_s8": {
                "tl_block_outputs_s8": 1006,
                "tl_conv_parts_s8": 1618,
            },
            "transpose_conv_s8": {
                "tl_depthwise_twice": 122,
                "tl_transpose_conv_s8": 536,
            },
            "depthwise_rows_s8": {
                "tl_depthwise_row3": 1278,
                "tl_depthwise_rows_s8": 1246,
                "tl_widen_row": 308,
            },
            "depthwise_s8": {
                "tl_depthwise_s8": 532,
                "tl_depthwise_twice": 122,
            },
            "fully_connected_s8": {
                "tl_fc_groups_s8": 862,
                "tl_fc_output": 140,
                "tl_fc_outputs_s8": 154,
                "tl_fc_sums_s8": 338,
                "tl_fully_connected_s8": 350,
            },
            "fully_connected_small_s8": {
                "tl_fc_output": 140,
                "tl_fully_connected_small_s8": 88,
            },
            "softmax_s8": {},
            "softmax_few_s8": {
                "tl_exp_of_negative": 216,
            },
            "conv_blocks_s16": {
                "tl_block_outputs_s16": 896,
                "tl_conv_blocks_s16": 1500,
            },
            "conv_s16": {
                "tl_conv_s16": 614,
                "tl_depthwise_wide": 86,
            },
            "conv_parts_s16": {
                "tl_block_outputs_s16": 896,
                "tl_conv_parts_s16": 1342,
            },
            "transpose_conv_s16": {
                "tl_depthwise_wide": 86,
                "tl_transpose_conv_s16": 678,
            },
            "depthwise_rows_s16": {
                "tl_depthwise_row3_s16": 1238,
                "tl_depthwise_rows_s16": 1190,
                "tl_spread_row": 304,
            },
            "depthwise_s16": {
                "tl_depthwise_s16": 584,
                "tl_depthwise_wide": 86,
            },
            "fully_connected_s16": {
                "tl_fc_output": 140,
                "tl_fc_outputs_s16": 298,
                "tl_fully_connected_s16": 750,
            },
            "fully_connected_small_s16": {
                "tl_fc_output": 140,
                "tl_fully_connected_small_s16": 88,
            },
        },
        "Os": {
            "conv_blocks_s8": {
                "tl_block_outputs_s8": 1024,
                "tl_conv_blocks_s8": 722,
                "tl_gather_whole": 144,
                "tl_gathered": 30,
            },
            "conv_s8": {
                "tl_conv_s8": 438,
                "tl_depthwise_twice": 118,
            },
            "conv_parts_s8": {
                "tl_block_outputs_s8": 1024,
                "tl_conv_parts_s8": 742,
                "tl_gather_whole": 144,
                "tl_gathered": 30,
            },
            "transpose_conv_s8": {
                "tl_depthwise_twice": 118,
                "tl_transpose_conv_s8": 476,
            },
            "depthwise_rows_s8": {
                "tl_depthwise_row3": 804,
                "tl_depthwise_rows_s8": 958,
                "tl_requantise_twice": 20,
                "tl_rows_four_apart": 250,
                "tl_widen_row": 236,
            },
            "depthwise_s8": {
                "tl_depthwise_s8": 362,
                "tl_depthwise_twice": 118,
            },
            "fully_connected_s8": {
                "tl_fc_groups_s8": 820,
                "tl_fc_output": 136,
                "tl_fc_outputs_s8": 146,
                "tl_fc_sums_s8": 254,
                "tl_fully_connected_s8": 268,
            },
            "fully_connected_small_s8": {
                "tl_fc_output": 136,
                "tl_fully_connected_small_s8": 68,
            },
            "softmax_s8": {},
            "softmax_few_s8": {
                "tl_exp_of_negative": 212,
            },
            "conv_blocks_s16": {
                "tl_block_outputs_s16": 892,
                "tl_conv_blocks_s16": 704,
                "tl_gather_whole_s16": 56,
            },
            "conv_s16": {
                "tl_conv_s16": 466,
                "tl_depthwise_wide": 76,
            },
            "conv_parts_s16": {
                "tl_block_outputs_s16": 892,
                "tl_conv_parts_s16": 718,
                "tl_gather_whole_s16": 56,
            },
            "transpose_conv_s16": {
                "tl_depthwise_wide": 76,
                "tl_transpose_conv_s16": 512,
            },
            "depthwise_rows_s16": {
                "tl_depthwise_row3_s16": 562,
                "tl_depthwise_rows_s16": 966,
                "tl_rows_four": 226,
                "tl_rows_four_apart": 250,
                "tl_spread_row": 214,
            },
            "depthwise_s16": {
                "tl_depthwise_s16": 380,
                "tl_depthwise_wide": 76,
            },
            "fully_connected_s16": {
                "tl_fc_output": 136,
                "tl_fc_outputs_long": 144,
                "tl_fc_outputs_s16": 98,
                "tl_fully_connected_s16": 708,
            },
            "fully_connected_small_s16": {
                "tl_fc_output": 136,
                "tl_fully_connected_small_s16": 70,
            },
        },
    },
    "cortex-m3": {
        "O2": {
            "conv_blocks_s8": {
                "tl_block_outputs_s8": 1228,
                "tl_conv_blocks_s8": 1144,
                "tl_gather_whole": 372,
            },
            "conv_s8": {
                "tl_conv_s8": 532,
                "tl_depthwise_twice": 130,
            },
            "conv_parts_s8": {
                "tl_block_outputs_s8": 1228,
                "tl_conv_parts_s8": 1212,
                "tl_gather_whole": 372,
            },
            "transpose_conv_s8": {
                "tl_depthwise_twice": 130,
                "tl_transpose_conv_s8": 556,
            },
            "depthwise_rows_s8": {
                "tl_depthwise_row3": 1756,
                "tl_depthwise_rows_s8": 1232,
                "tl_widen_row": 52,
            },
            "depthwise_s8": {
                "tl_depthwise_s8": 548,
                "tl_depthwise_twice": 130,
            },
            "fully_connected_s8": {
                "tl_fc_groups_s8": 950,
                "tl_fc_output": 148,
                "tl_fc_outputs_s8": 154,
                "tl_fc_sums_s8": 334,
                "tl_fully_connected_s8": 216,
            },
            "fully_connected_small_s8": {
                "tl_fc_output": 148,
                "tl_fully_connected_small_s8": 88,
            },
            "softmax_s8": {},
            "softmax_few_s8": {
                "tl_exp_of_negative": 224,
            },
            "conv_blocks_s16": {
                "tl_block_outputs_s16": 450,
                "tl_conv_blocks_s16": 1100,
            },
            "conv_s16": {
                "tl_conv_s16": 568,
                "tl_depthwise_wide": 84,
            },
            "conv_parts_s16": {
                "tl_block_outputs_s16": 450,
                "tl_conv_parts_s16": 1052,
            },
            "transpose_conv_s16": {
                "tl_depthwise_wide": 84,
                "tl_transpose_conv_s16": 616,
            },
            "depthwise_rows_s16": {
                "tl_depthwise_row3_s16": 1228,
                "tl_depthwise_rows_s16": 1152,
                "tl_spread_row": 52,
            },
            "depthwise_s16": {
                "tl_depthwise_s16": 600,
                "tl_depthwise_wide": 84,
            },
            "fully_connected_s16": {
                "tl_fc_output": 148,
                "tl_fc_outputs_s16": 294,
                "tl_fully_connected_s16": 1152,
            },
            "fully_connected_small_s16": {
                "tl_fc_output": 148,
                "tl_fully_connected_small_s16": 88,
            },
        },
        "Os": {
            "conv_blocks_s8": {
                "tl_block_outputs_s8": 990,
                "tl_conv_blocks_s8": 740,
                "tl_gather_whole": 102,
                "tl_gather_word": 34,
                "tl_negatives": 28,
                "tl_requantise_twice": 24,
            },
            "conv_s8": {
                "tl_conv_s8": 436,
                "tl_depthwise_twice": 116,
            },
            "conv_parts_s8": {
                "tl_block_outputs_s8": 990,
                "tl_conv_parts_s8": 746,
                "tl_gather_whole": 102,
                "tl_gather_word": 34,
                "tl_negatives": 28,
                "tl_requantise_twice": 24,
            },
            "transpose_conv_s8": {
                "tl_depthwise_twice": 116,
                "tl_transpose_conv_s8": 470,
            },
            "depthwise_rows_s8": {
                "tl_depthwise_row3": 1160,
                "tl_depthwise_rows_s8": 946,
                "tl_lanes3_apart": 90,
                "tl_requantise_twice": 24,
                "tl_widen_row": 50,
            },
            "depthwise_s8": {
                "tl_depthwise_s8": 346,
                "tl_depthwise_twice": 116,
            },
            "fully_connected_s8": {
                "tl_fc_groups_s8": 910,
                "tl_fc_output": 136,
                "tl_fc_outputs_s8": 146,
                "tl_fc_sums_s8": 292,
                "tl_fully_connected_s8": 196,
            },
            "fully_connected_small_s8": {
                "tl_fc_output": 136,
                "tl_fully_connected_small_s8": 68,
            },
            "softmax_s8": {},
            "softmax_few_s8": {
                "tl_exp_of_negative": 212,
            },
            "conv_blocks_s16": {
                "tl_block_outputs_s16": 444,
                "tl_conv_blocks_s16": 704,
                "tl_gather_whole_s16": 22,
            },
            "conv_s16": {
                "tl_conv_s16": 484,
                "tl_depthwise_wide": 76,
            },
            "conv_parts_s16": {
                "tl_block_outputs_s16": 444,
                "tl_conv_parts_s16": 732,
            },
            "transpose_conv_s16": {
                "tl_depthwise_wide": 76,
                "tl_transpose_conv_s16": 520,
            },
            "depthwise_rows_s16": {
                "tl_depthwise_row3_s16": 1008,
                "tl_depthwise_rows_s16": 928,
                "tl_spread_row": 50,
            },
            "depthwise_s16": {
                "tl_depthwise_s16": 380,
                "tl_depthwise_wide": 76,
            },
            "fully_connected_s16": {
                "tl_fc_output": 136,
                "tl_fc_outputs_long": 144,
                "tl_fc_outputs_s16": 98,
                "tl_fully_connected_s16": 1140,
            },
            "fully_connected_small_s16": {
                "tl_fc_output": 136,
                "tl_fully_connected_small_s16": 70,
            },
        },
    },
}

CYCLES: Mapping[Core, Mapping[str, Mapping[str, float]]] = {
    "cortex-m4f": {
        "O2": {
            "conv_blocks_s8": 1.6,
            "conv_s8": 9.2,
            "conv_parts_s8": 1.93,
            "transpose_conv_s8": 10.43,
            "depthwise_rows_s8": 6.15,
            "depthwise_s8": 49.5,
            "fully_connected_s8": 1.97,
            "fully_connected_small_s8": 8.87,
            "softmax_s8": 68.6,
            "softmax_few_s8": 406.38,
            "conv_blocks_s16": 1.55,
            "conv_s16": 9.62,
            "conv_parts_s16": 1.84,
            "transpose_conv_s16": 10.97,
            "depthwise_rows_s16": 5.98,
            "depthwise_s16": 48.73,
            "fully_connected_s16": 2.15,
            "fully_connected_small_s16": 9.0,
        },
        "Os": {
            "conv_blocks_s8": 1.67,
            "conv_s8": 22.18,
            "conv_parts_s8": 2.02,
            "transpose_conv_s8": 27.13,
            "depthwise_rows_s8": 7.87,
            "depthwise_s8": 60.27,
            "fully_connected_s8": 2.09,
            "fully_connected_small_s8": 8.9,
            "softmax_s8": 69.54,
            "softmax_few_s8": 411.25,
            "conv_blocks_s16": 1.61,
            "conv_s16": 24.78,
            "conv_parts_s16": 1.89,
            "transpose_conv_s16": 31.26,
            "depthwise_rows_s16": 8.56,
            "depthwise_s16": 65.8,
            "fully_connected_s16": 2.47,
            "fully_connected_small_s16": 9.12,
        },
    },
    "cortex-m3": {
        "O2": {
            "conv_blocks_s8": 3.11,
            "conv_s8": 10.9,
            "conv_parts_s8": 3.51,
            "transpose_conv_s8": 12.29,
            "depthwise_rows_s8": 9.88,
            "depthwise_s8": 44.4,
            "fully_connected_s8": 3.86,
            "fully_connected_small_s8": 10.89,
            "softmax_s8": 74.47,
            "softmax_few_s8": 492.01,
            "conv_blocks_s16": 4.37,
            "conv_s16": 14.13,
            "conv_parts_s16": 4.67,
            "transpose_conv_s16": 15.87,
            "depthwise_rows_s16": 10.63,
            "depthwise_s16": 49.34,
            "fully_connected_s16": 4.64,
            "fully_connected_small_s16": 11.09,
        },
        "Os": {
            "conv_blocks_s8": 3.31,
            "conv_s8": 23.69,
            "conv_parts_s8": 3.82,
            "transpose_conv_s8": 28.02,
            "depthwise_rows_s8": 10.83,
            "depthwise_s8": 61.9,
            "fully_connected_s8": 4.15,
            "fully_connected_small_s8": 10.95,
            "softmax_s8": 79.41,
            "softmax_few_s8": 494.69,
            "conv_blocks_s16": 4.54,
            "conv_s16": 28.61,
            "conv_parts_s16": 4.8,
            "transpose_conv_s16": 36.7,
            "depthwise_rows_s16": 10.99,
            "depthwise_s16": 66.79,
            "fully_connected_s16": 4.97,
            "fully_connected_small_s16": 11.21,
        },
    },
}
