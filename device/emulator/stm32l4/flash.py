"""Flash interface of the STM32L4. Register offsets and reset values: ST's stm32l432xx.h v1.7.4 and STM32L4x2.svd."""

from tinyloc.device.emulator.peripherals import RegisterFile, named


class FlashRegisters(RegisterFile):
    """Flash interface: the wait states are what matters."""

    def __init__(self) -> None:
        super().__init__(
            "FLASH registers",
            0x4002_2000,
            named("""
                00 ACR 600 7f07
                04 PDKEYR
                08 KEYR
                0c OPTKEYR
                10 SR 0 0
                14 CR c0000000 0
                18 ECCR 0 0
                20 OPTR ffeff8aa 0
                24 PCROP1SR ffffffff 0
                28 PCROP1ER 0 0
                2c WRP1AR ff 0
                30 WRP1BR ff 0
            """),
        )

    @property
    def wait_states(self) -> int:
        return self.values["ACR"] & 7
